// Where the rows of a long list are, of which the closed ones have one height and `open`, [{place, height}] in order,
// have their own. Numbers only, no DOM.

/** How far from the list's top the row at `place` begins. */
export function offsetOf(place, open, rowHeight) {
  const before = open.filter((each) => each.place < place);
  return before.reduce((sum, { height }) => sum + height - rowHeight, place * rowHeight);
}

/** The place whose row is at `y` from the list's top; `last` is the last one. */
export function placeAt(y, open, rowHeight, last) {
  let more = 0; // by how much the open ones above are higher than closed ones
  for (const { place, height } of open) {
    const begin = place * rowHeight + more;
    if (y < begin) break;
    if (y < begin + height) return place;
    more += height - rowHeight;
  }
  return Math.max(0, Math.min(last, Math.floor((y - more) / (rowHeight || 1))));
}
