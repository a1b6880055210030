// The frame of a figure is stroked together with the path that was left on its canvas, mostly the last line that was drawn
// there: where frames show, as in the dark theme, the line of the data before stayed behind the new one in grey.
mend(view_of("Plot"), "_paint_outline", (original) => function (ctx, frame_box) {
  ctx.beginPath()
  original.call(this, ctx, frame_box)
})
