// Letters in figures are in Helvetica and nothing else: where that is not installed, Firefox takes a face with serifs.
const letters = Bokeh.require("core/visuals/text")
for (const name of ["Text", "TextScalar", "TextVector"]) {
  mend(letters[name]?.prototype, "font_value", (original) => function (...args) {
    const font = original.apply(this, args)
    return /helvetica$/i.test(font) ? `${font}, Arial, sans-serif` : font
  })
}
