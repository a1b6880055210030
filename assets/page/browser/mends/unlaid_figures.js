// A figure that is built but not laid out yet has no layout. Bokeh measures it all the same when anything around it
// changes size, throws, and takes the tab that the figure stands in with it. Its turn comes once it is laid out.
for (const name of ["_measure_layout", "_after_layout"]) {
  mend(view_of("Plot"), name, (original) => function () { if (this.layout != null) original.call(this) })
}
