// A picture is read back from its canvas before it is written to it.
mend(Bokeh.require("models/glyphs/image_base").ImageBaseView.prototype, "_set_image_data_from_buffer", () => function (i, buf8) {
  const canvas = this._get_or_create_canvas(i)
  const colours = new Uint8ClampedArray(buf8.buffer, buf8.byteOffset, buf8.length)
  const context = canvas.getContext("2d", { willReadFrequently: true })
  context.putImageData(new ImageData(colours, canvas.width, canvas.height), 0, 0)
  this.image_data[i] = canvas
})
