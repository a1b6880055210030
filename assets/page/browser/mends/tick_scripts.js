// The script of an axis's numbers is compiled at each paint: a tenth of what the browser does until the first picture.
const scripts = new WeakMap()
mend(Bokeh.Models.get("CustomJSTickFormatter").prototype, "_make_func", (original) => function () {
  const { code, args } = this
  const known = scripts.get(this)
  if (known?.code === code && known.args === args) return known.made
  const made = original.call(this)
  scripts.set(this, { code, args, made })
  return made
})
