// Levels of 8 bits are coloured one by one, with two comparisons and three copies each; here they are looked up.
const { Uint8NDArray } = Bokeh.require("core/util/ndarray")
const EVERY_LEVEL = new Uint8NDArray(Uint8Array.from({ length: 256 }, (_, level) => level))
const tables = new WeakMap()
const table_of = (mapper) => {
  const { palette, low, high, low_color, high_color, nan_color } = mapper
  const state = [palette, low, high, low_color, high_color, nan_color]
  const known = tables.get(mapper)
  if (known?.state.every((value, i) => value === state[i])) return known.table
  const table = new Uint32Array(mapper.rgba_mapper.v_compute(EVERY_LEVEL).buffer)
  tables.set(mapper, { state, table })
  return table
}
mend(Bokeh.require("models/glyphs/image").ImageView.prototype, "_flat_img_to_buf8", (original) => function (img) {
  const mapper = this.model.color_mapper
  if (!(img instanceof Uint8Array) || mapper.type != "LinearColorMapper" || mapper.low == null || mapper.high == null) {
    return original.call(this, img)
  }
  const table = table_of(mapper)
  if (this._colours?.length != img.length) this._colours = new Uint32Array(img.length)
  const colours = this._colours  // the same for every picture of this size: it is copied at once
  for (let i = 0; i < colours.length; i++) colours[i] = table[img[i]]
  return new Uint8ClampedArray(colours.buffer)
})
