// The reward that the reader draws: over a line or over a plane.

export const BOUND = 3;
export const POINTS = { 1: 121, 2: 41 };

const bump = (distance, width) => Math.exp(-((distance / width) ** 2) / 2);

// Where the peaks of the ready-made rewards are: [place, height, width] each.
const LINES = {
  two: [
    [-1.2, 1, 0.3],
    [1.3, 1, 0.3],
  ],
  unequal: [
    [-1.4, 0.7, 0.55],
    [1.1, 1, 0.2],
  ],
  three: [
    [-2, 1, 0.25],
    [0, 1, 0.25],
    [2, 1, 0.25],
  ],
  one: [[0.8, 1, 0.4]],
};
// The same in the plane: [x, y, height, width].
const PLANES = {
  two: [
    [-1.2, -0.6, 1, 0.45],
    [1.2, 0.6, 1, 0.45],
  ],
  unequal: [
    [-1.2, 0.8, 0.7, 0.8],
    [1.2, -0.6, 1, 0.35],
  ],
  three: [0, 1, 2].map((k) => [
    1.5 * Math.sin((2 * Math.PI * k) / 3),
    1.5 * Math.cos((2 * Math.PI * k) / 3),
    1,
    0.42,
  ]),
  one: [[0.8, 0.5, 1, 0.5]],
};

export const NAMES = [
  ['two', 'two peaks'],
  ['unequal', 'broad and narrow'],
  ['three', 'three peaks'],
  ['one', 'one peak'],
];

export class Reward {
  constructor(dim) {
    this.dim = dim;
    this.points = POINTS[dim];
    this.values = new Float32Array(this.points ** dim);
    this.set('two');
  }

  // The place of a point on its axis, and the nearest point to a place.
  place = (i) => -BOUND + (2 * BOUND * i) / (this.points - 1);
  index = (place) =>
    Math.min(
      Math.max(Math.round(((place + BOUND) / (2 * BOUND)) * (this.points - 1)), 0),
      this.points - 1,
    );

  // One of the ready-made ones.
  set(name) {
    const { dim, points, values } = this;
    for (let i = 0; i < values.length; i++) {
      const [x, y] = [this.place(i % points), this.place(Math.floor(i / points))];
      values[i] =
        dim === 1
          ? LINES[name].reduce((sum, [at, h, w]) => sum + h * bump(x - at, w), 0)
          : PLANES[name].reduce(
              (sum, [ax, ay, h, w]) => sum + h * bump(Math.hypot(x - ax, y - ay), w),
              0,
            );
    }
  }

  clear() {
    this.values.fill(0);
  }

  // On a line: draws from one point to another.
  stroke([fromPlace, fromValue], [toPlace, toValue]) {
    let [a, b] = [this.index(fromPlace), this.index(toPlace)];
    let [from, to] = [fromValue, toValue];
    if (a > b) [a, b, from, to] = [b, a, to, from];
    for (let i = a; i <= b; i++) {
      const value = b === a ? toValue : from + ((to - from) * (i - a)) / (b - a);
      this.values[i] = Math.min(Math.max(value, 0), 1);
    }
  }

  // Raises or lowers the reward around a place.
  raise([x, y = 0], by, width) {
    const { dim, points, values } = this;
    for (let i = 0; i < values.length; i++) {
      const dx = this.place(i % points) - x;
      const dy = dim === 1 ? 0 : this.place(Math.floor(i / points)) - y;
      const value = values[i] + by * bump(Math.hypot(dx, dy), width);
      values[i] = Math.min(Math.max(value, 0), 1);
    }
  }
}
