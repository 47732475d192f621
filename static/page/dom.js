// The little that every panel needs from the browser. Nothing in it knows the protocol or the words.

export const element = (id) => document.getElementById(id);

/** What outlives the page; a browser may forbid storage, or have no room: then it is not kept. */
const stored = (storage) => ({
  get(key) { try { return storage().getItem(`ws-server.${key}`); } catch { return null; } },
  set(key, value) { try { storage().setItem(`ws-server.${key}`, value); } catch { /* not kept */ } },
});

export const settings = stored(() => localStorage); // for every visit
export const session = stored(() => sessionStorage); // for this tab, over its reloads

/** Writes only what is new: the same text once more would still cost a layout. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Runs `work` before the next paint and at most every `everyMs`, once, however often it was asked for. */
export function oncePerPaint(work, everyMs = 0) {
  let asked = false;
  let doneAt = -Infinity;
  const run = () => {
    asked = false;
    doneAt = performance.now();
    work();
  };
  return () => {
    if (asked) return;
    asked = true;
    const wait = doneAt + everyMs - performance.now();
    if (wait > 0) setTimeout(() => requestAnimationFrame(run), wait);
    else requestAnimationFrame(run);
  };
}

/** Puts the options in place of those that were there; the choice stays. Options are [value, words]. */
export function fillSelect(select, options) {
  const value = select.value;
  select.replaceChildren(...options.map(([key, words]) => new Option(words, key)));
  select.value = value;
}

/** Copies to the clipboard; whether it worked. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // no clipboard API on plain http:// other than localhost
  }
}

function copyBySelection(text) {
  const focused = document.activeElement;
  const field = document.createElement('textarea');
  field.className = 'hidden';
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  focused?.focus();
  return done;
}

/** A new element with this class, if any, and this text. */
export function create(tag, className = '', text = '') {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

/** Keeps one child of `list` for each of `items`, in their order; `make` and `update` are given the item. */
export function keepRows(list, rows, items, { make, update }) {
  const wanted = new Set(items);
  for (const [item, row] of rows) {
    if (wanted.has(item)) continue;
    row.remove();
    rows.delete(item);
  }
  let next = list.firstElementChild;
  for (const item of items) {
    const row = rows.get(item) ?? make(item);
    rows.set(item, row);
    if (row === next) next = next.nextElementSibling;
    else list.insertBefore(row, next);
    update(row, item);
  }
}
