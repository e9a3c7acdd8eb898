// Frames while a figure can be seen. Their rate is in its data-fps, for whoever measures.

export function whileVisible(element, frame) {
  let visible = false;
  let running = false;
  let last = 0;
  let [count, since] = [0, 0];

  function tick(now) {
    running = visible;
    if (!running) return;
    // A pause (another tab) is no passage of time, and the first frame may have begun before.
    frame(Math.min(Math.max((now - last) / 1000, 0), 0.1));
    last = now;
    count += 1;
    if (now - since >= 1000) {
      element.dataset.fps = ((1000 * count) / (now - since)).toFixed(1);
      [count, since] = [0, now];
    }
    requestAnimationFrame(tick);
  }

  new IntersectionObserver(([entry]) => {
    visible = entry.isIntersecting;
    if (visible && !running) {
      running = true;
      last = since = performance.now();
      count = 0;
      requestAnimationFrame(tick);
    }
  }).observe(element);
}

// Whether the reader asked for less motion.
export const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
