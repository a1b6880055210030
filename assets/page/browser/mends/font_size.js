// A figure's size of letters is asked of the browser at each paint, and is the same all the time.
const font_sizes = new WeakMap()
const figures = view_of("Plot")
const asked = Object.getOwnPropertyDescriptor(figures, "base_font_size")
mend(asked ?? {}, "get", (original) => function () {
  const known = font_sizes.get(this)
  if (known != null) return known
  const size = original.call(this)
  if (size != null && this.is_displayed) font_sizes.set(this, size)
  return size
})
Object.defineProperty(figures, "base_font_size", asked)
