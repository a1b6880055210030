// Every part of a figure writes its place into a style sheet whenever it is painted, mostly the one that stands there;
// and every change of a style sheet makes the browser work out the styles anew before the next letter is drawn.
mend(Bokeh.require("core/dom").InlineStyleSheet.prototype, "_update", (original) => function (css) {
  if (this.el.textContent !== css) original.call(this, css)
})
