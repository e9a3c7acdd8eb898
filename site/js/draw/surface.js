// A canvas that has as many pixels as its place on the screen, and says when it changes.

export class Surface {
  width = 0;
  height = 0;

  constructor(canvas, resized) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
    this.#fit();
    new ResizeObserver(() => {
      if (this.#fit()) resized();
    }).observe(canvas);
  }

  #fit() {
    const { width, height } = this.canvas.getBoundingClientRect();
    const scale = Math.min(devicePixelRatio || 1, 2);
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (this.canvas.width === w && this.canvas.height === h) return false;
    [this.canvas.width, this.canvas.height] = [w, h];
    [this.width, this.height] = [width, height];
    this.context.setTransform(scale, 0, 0, scale, 0, 0);
    return true;
  }

  clear() {
    this.context.clearRect(0, 0, this.width, this.height);
  }
}
