// What is painted on a canvas has an empty element besides, which is moved along with what is painted: the browser lays
// out the page and puts its layers together anew at each step of a zoom, to show nothing.
for (const name of ["GlyphRenderer", "BoxAnnotation"]) {
  mend(view_of(name), "update_position", () => function () { this.position.replace(":host { display: none; }") })
}
