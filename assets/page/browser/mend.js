// Replaces a method of a library by one that is made from it. Throws where the library has no such method any more: a mend
// that acts on nothing would be missed by whoever sees the fault again. Each file beside this one mends one thing, says how
// it shows, and has a test that fails once the library needs it no longer (tests/browser/test_mends.py).
const mend = (owner, name, make) => {
  const original = owner?.[name]
  if (typeof original != "function") throw new Error(`There is no ${name} to mend: docs/decisions/0007`)
  owner[name] = make(original)
}
const view_of = (model) => Bokeh.Models.get(model).prototype.default_view.prototype
