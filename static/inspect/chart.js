// A chart of the last two minutes: one or two lines on one scale from 0, drawn as SVG.

import { create, setText } from '../page/dom.js';
import { say, t } from '../page/text.js';

const SVG = 'http://www.w3.org/2000/svg';
const POINTS_MAX = 120;
const HEIGHT = 90;
const CLASSES = ['one', 'two'];

export class Chart {
  #values; // for each line the newest last
  #lines;
  #shown = [];
  #top;

  /** `lines`: keys of words, at most two. `format`: a value in words. */
  constructor(parent, title, lines, format) {
    this.format = format;
    this.#values = lines.map(() => []);
    const panel = create('section', 'panel chart');
    const heading = create('h2');
    say(heading.appendChild(create('span')), () => t(title));
    this.#top = heading.appendChild(create('span', 'meta'));
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', `0 0 ${POINTS_MAX - 1} ${HEIGHT}`);
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('aria-hidden', 'true');
    for (const y of [0, HEIGHT / 2, HEIGHT]) {
      const grid = svg.appendChild(document.createElementNS(SVG, 'line'));
      for (const [name, value] of Object.entries({ class: 'grid', x1: 0, x2: POINTS_MAX - 1, y1: y, y2: y })) {
        grid.setAttribute(name, value);
      }
    }
    this.#lines = lines.map((_, n) => {
      const line = svg.appendChild(document.createElementNS(SVG, 'polyline'));
      line.setAttribute('class', CLASSES[n]);
      return line;
    });
    const legend = create('p', 'legend');
    for (const [n, key] of lines.entries()) {
      const entry = legend.appendChild(create('span', CLASSES[n]));
      say(entry.appendChild(create('span')), () => `${t(key)} `);
      this.#shown.push(entry.appendChild(create('b')));
    }
    panel.append(heading, svg, legend);
    parent.append(panel);
  }

  /** One value for each line. */
  add(values) {
    for (const [n, value] of values.entries()) {
      this.#values[n].push(value);
      if (this.#values[n].length > POINTS_MAX) this.#values[n].shift();
      setText(this.#shown[n], this.format(value));
      this.#shown[n].dataset.value = value;
    }
    const top = niceTop(Math.max(...this.#values.flat()));
    setText(this.#top, t('i-top', { top: this.format(top) }));
    for (const [n, line] of this.#lines.entries()) {
      const first = POINTS_MAX - this.#values[n].length;
      const at = (value, i) => `${first + i},${(HEIGHT * (1 - value / top)).toFixed(1)}`;
      line.setAttribute('points', this.#values[n].map(at).join(' '));
    }
  }
}

/** The next of 1, 2, 5, 10, … */
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value) ?? 1;
}
