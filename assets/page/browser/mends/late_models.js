// Bokeh takes models that come from the server for new ones of the browser until the browser has sent anything, tells
// the server all about them when one is clicked in that time, and the server refuses the click. Ids tell them apart.
mend(Bokeh.require("document").Document.prototype, "apply_json_patch", (original) => function (...args) {
  this._new_models.add = function (model) { return /^p\d+$/.test(model.id) ? this : Set.prototype.add.call(this, model) }
  original.apply(this, args)
})
