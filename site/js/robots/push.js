// Pushes: forces on bodies of the robot, by pointer and by keys. MuJoCo takes them at a body's center
// of mass, in the axes of the world.

// Weights of the robot for each meter that a body is pulled, and at most.
const STIFFNESS = 3;
const MOST = 6;
const GRAVITY = 9.81;

export class Push {
  #grabbed = null;
  #keyed = null;

  constructor(scene) {
    this.scene = scene;
  }

  get active() {
    return Boolean(this.#grabbed || this.#keyed);
  }

  // Takes hold of the body under the pointer; whether there is one.
  grab(event) {
    const hit = this.scene.pick(event);
    if (!hit) return false;
    this.#grabbed = { body: hit.body, local: this.#toLocal(hit), target: hit.point };
    return true;
  }

  drag(event) {
    if (!this.#grabbed) return;
    this.#grabbed.target = this.scene.atDepthOf(this.#point(), event) ?? this.#grabbed.target;
  }

  release() {
    this.#grabbed = null;
  }

  // A push on the first body, for some seconds of the simulation; in weights of the robot.
  shove([x, z], seconds) {
    this.#keyed = { force: [x, 0, z], left: seconds };
  }

  forget() {
    this.#grabbed = this.#keyed = null;
  }

  // Sets the forces for the next step, which takes so many seconds.
  apply(seconds) {
    const forces = this.scene.data.xfrc_applied;
    forces.fill(0);
    const weight = this.scene.model.body_subtreemass[0] * GRAVITY;
    if (this.#keyed) {
      this.#keyed.force.forEach((share, axis) => (forces[6 + axis] += share * weight));
      this.#keyed.left -= seconds;
      if (this.#keyed.left <= 0) this.#keyed = null;
    }
    if (!this.#grabbed) return;
    const { body, target } = this.#grabbed;
    const point = this.#point();
    const force = target
      .clone()
      .sub(point)
      .multiplyScalar(STIFFNESS * weight);
    force.clampLength(0, MOST * weight);
    const [x, y, z] = this.scene.data.xipos.slice(3 * body, 3 * body + 3);
    const torque = point.sub(this.scene.vector(x, y, z)).cross(force);
    forces.set([...force, ...torque], 6 * body);
  }

  // Shows the pull.
  show() {
    if (this.#grabbed) this.scene.pull(this.#point(), this.#grabbed.target);
    else this.scene.pull(null);
  }

  // Where the point is by now that was taken hold of.
  #point() {
    const { body, local } = this.#grabbed;
    const [r, p] = [this.scene.data.xmat.slice(9 * body, 9 * body + 9), 3 * body];
    const row = (i) => r[3 * i] * local.x + r[3 * i + 1] * local.y + r[3 * i + 2] * local.z;
    const at = this.scene.data.xpos;
    return this.scene.vector(at[p] + row(0), at[p + 1] + row(1), at[p + 2] + row(2));
  }

  #toLocal({ body, point }) {
    const [r, p] = [this.scene.data.xmat.slice(9 * body, 9 * body + 9), 3 * body];
    const at = this.scene.data.xpos;
    const [x, y, z] = [point.x - at[p], point.y - at[p + 1], point.z - at[p + 2]];
    const column = (i) => r[i] * x + r[3 + i] * y + r[6 + i] * z;
    return this.scene.vector(column(0), column(1), column(2));
  }
}
