// The robot as three.js draws it, from the poses of the page's MuJoCo. Axes are MuJoCo's: z is up.

import { channels } from '../draw/colors.js';

// MuJoCo's numbers of shapes.
const [PLANE, SPHERE, CAPSULE, ELLIPSOID, CYLINDER, BOX] = [0, 2, 3, 4, 5, 6];
// What the suite's materials look like in the colors of the page; others keep their own.
const MATERIALS = { self: 'flow', effector: 'reward', decoration: 'soft' };
const TILE = 1;
// What is drawn for as many pixels of the screen, and with shadows or without, from the best to the
// cheapest; the next one is taken when frames take longer than SLOW seconds.
const QUALITIES = [
  { scale: 1, shadows: true },
  { scale: 1, shadows: false },
  { scale: 0.5, shadows: false },
];
const SLOW = 0.055;
const FRAMES = 12;
const FLOOR = 60;

export class RobotScene {
  #three;
  #mujoco;
  #parts = [];
  #floor;
  #azimuth = 0;
  #height = 0;
  #look = { x: 0, y: 0, z: 0 };
  #quality = 0;
  #frames = [0, 0];

  constructor(three, mujoco, canvas) {
    this.#three = three;
    this.#mujoco = mujoco;
    this.canvas = canvas;
    this.renderer = new three.WebGLRenderer({ canvas, antialias: true });
    this.renderer.shadowMap.enabled = true;
    this.camera = new three.PerspectiveCamera(32, 2, 0.05, 90);
    this.camera.up.set(0, 0, 1);
    this.raycaster = new three.Raycaster();
  }

  // Shows another model.
  show({ model, data }) {
    const { Scene, Group, Fog, Color, HemisphereLight, DirectionalLight } = this.#three;
    this.model = model;
    this.data = data;
    for (const { mesh } of this.#parts) mesh.geometry.dispose();
    this.scene = new Scene();
    this.scene.fog = new Fog(new Color(), 9, 32);
    this.scene.background = this.scene.fog.color;
    this.sky = new HemisphereLight(0xffffff, 0xaab0bb, 2.6);
    this.sun = new DirectionalLight(0xffffff, 2.6);
    this.sun.castShadow = QUALITIES[this.#quality].shadows;
    this.sun.shadow.mapSize.set(1024, 1024);
    Object.assign(this.sun.shadow.camera, { left: -3, right: 3, top: 3, bottom: -3, far: 12 });
    this.sun.shadow.radius = 4;
    this.body = new Group();
    this.rope = this.#rope();
    this.scene.add(this.sky, this.sun, this.sun.target, this.body, this.rope);
    this.#parts = [];
    const [types, rgba, groups] = [model.geom_type, model.geom_rgba, model.geom_group];
    let floor = 0;
    for (let geom = 0; geom < types.length; geom++) {
      if (types[geom] === PLANE) floor = data.geom_xpos[3 * geom + 2];
      else if (rgba[4 * geom + 3] > 0 && groups[geom] < 3) this.#add(geom);
    }
    this.#floor = this.#ground(floor);
    this.scene.add(this.#floor);
    this.recolor();
    this.#frame();
    this.follow(1);
  }

  // Takes the page's colors, light or dark.
  recolor() {
    const { Color, CanvasTexture, RepeatWrapping, SRGBColorSpace } = this.#three;
    const of = (name) => {
      const { r, g, b } = channels(name);
      return new Color().setRGB(r / 255, g / 255, b / 255, SRGBColorSpace);
    };
    const [paper, line] = [channels('raised'), channels('line')];
    this.scene.fog.color.copy(of('raised'));
    for (const { mesh, material, own } of this.#parts) {
      if (MATERIALS[material]) mesh.material.color.copy(of(MATERIALS[material]));
      else mesh.material.color.setRGB(...own, SRGBColorSpace);
    }
    this.rope.material.color.copy(of('bad'));
    // Two tiles by two, so that the way can be seen.
    const tiles = document.createElement('canvas');
    tiles.width = tiles.height = 128;
    const context = tiles.getContext('2d');
    const mixed = (share) => {
      const part = (c) => Math.round(paper[c] + (line[c] - paper[c]) * share);
      return `rgb(${part('r')} ${part('g')} ${part('b')})`;
    };
    context.fillStyle = mixed(0.32);
    context.fillRect(0, 0, 128, 128);
    context.fillStyle = mixed(0.75);
    context.fillRect(0, 0, 64, 64);
    context.fillRect(64, 64, 64, 64);
    const texture = new CanvasTexture(tiles);
    texture.wrapS = texture.wrapT = RepeatWrapping;
    texture.repeat.set(FLOOR / (2 * TILE), FLOOR / (2 * TILE));
    texture.colorSpace = SRGBColorSpace;
    texture.anisotropy = 8;
    this.#floor.material.map?.dispose();
    this.#floor.material.map = texture;
    this.#floor.material.needsUpdate = true;
  }

  // Moves everything to where MuJoCo has it.
  update() {
    const [positions, frames] = [this.data.geom_xpos, this.data.geom_xmat];
    for (const { mesh, geom } of this.#parts) {
      const [p, r] = [3 * geom, 9 * geom];
      const at = (i) => frames[r + i];
      mesh.matrix.set(
        ...[at(0), at(1), at(2), positions[p]],
        ...[at(3), at(4), at(5), positions[p + 1]],
        ...[at(6), at(7), at(8), positions[p + 2]],
        ...[0, 0, 0, 1],
      );
      mesh.matrixWorldNeedsUpdate = true;
    }
  }

  // Looks at the robot; a share of 1 at once.
  follow(share) {
    const target = this.#center();
    for (const axis of ['x', 'y', 'z'])
      this.#look[axis] += share * (target[axis] - this.#look[axis]);
    this.#aim();
  }

  turn(azimuth, height) {
    this.#azimuth = Math.min(Math.max(this.#azimuth + azimuth, -1.2), 1.2);
    this.#height = Math.min(Math.max(this.#height + height, -0.12), 0.9);
    this.#aim();
  }

  // Draws less where frames take so many seconds that the robot would be late.
  adapt(seconds) {
    const [count, time] = this.#frames;
    this.#frames = [count + 1, time + seconds];
    if (count < FRAMES) return;
    this.#frames = [0, 0];
    if (time > count * SLOW && this.#quality < QUALITIES.length - 1) {
      this.#quality += 1;
      this.sun.castShadow = QUALITIES[this.#quality].shadows;
    }
  }

  draw() {
    const { width, height } = this.canvas.getBoundingClientRect();
    const scale = Math.min(devicePixelRatio || 1, 2) * QUALITIES[this.#quality].scale;
    const [w, h] = [Math.round(width), Math.round(height)];
    if (w === 0 || h === 0) return;
    if (this.renderer.getPixelRatio() !== scale) this.renderer.setPixelRatio(scale);
    if (
      this.canvas.width !== Math.floor(w * scale) ||
      this.canvas.height !== Math.floor(h * scale)
    ) {
      this.renderer.setSize(w, h, false);
      this.camera.aspect = w / h;
      this.camera.updateProjectionMatrix();
      this.#aim();
    }
    this.renderer.render(this.scene, this.camera);
  }

  // The body under a point of the window, and where it is hit; nothing beside the robot.
  pick(event) {
    this.#ray(event);
    const [hit] = this.raycaster.intersectObjects(this.body.children);
    if (!hit) return null;
    const body = this.model.geom_bodyid[hit.object.userData.geom];
    return body > 0 ? { body, point: hit.point } : null;
  }

  // The point under the pointer that is as far away as another one.
  atDepthOf(point, event) {
    this.#ray(event);
    const { Plane, Vector3 } = this.#three;
    const away = this.camera.getWorldDirection(new Vector3());
    const plane = new Plane().setFromNormalAndCoplanarPoint(away, point);
    return this.raycaster.ray.intersectPlane(plane, new Vector3());
  }

  // Where in the canvas the center of mass of a body is, in its pixels.
  onScreen(body) {
    const { width, height } = this.canvas.getBoundingClientRect();
    const [x, y, z] = this.data.xipos.slice(3 * body, 3 * body + 3);
    const at = this.vector(x, y, z).project(this.camera);
    return [Math.round(((at.x + 1) / 2) * width), Math.round(((1 - at.y) / 2) * height)];
  }

  vector(x = 0, y = 0, z = 0) {
    return new this.#three.Vector3(x, y, z);
  }

  // Draws the pull from one point to another, or none.
  pull(from, to) {
    this.rope.visible = Boolean(from);
    if (!from) return;
    const length = from.distanceTo(to);
    this.rope.position.copy(from).lerp(to, 0.5);
    this.rope.scale.set(1, Math.max(length, 1e-6), 1);
    const along = to.clone().sub(from).normalize();
    this.rope.quaternion.setFromUnitVectors(this.vector(0, 1, 0), along);
  }

  #ray(event) {
    const box = this.canvas.getBoundingClientRect();
    const at = new this.#three.Vector2(
      (2 * (event.clientX - box.left)) / box.width - 1,
      1 - (2 * (event.clientY - box.top)) / box.height,
    );
    this.raycaster.setFromCamera(at, this.camera);
  }

  #rope() {
    const { Mesh, CylinderGeometry, MeshBasicMaterial } = this.#three;
    const rope = new Mesh(new CylinderGeometry(0.012, 0.012, 1, 8), new MeshBasicMaterial());
    rope.visible = false;
    return rope;
  }

  #ground(height) {
    const { Mesh, MeshStandardMaterial, PlaneGeometry } = this.#three;
    const ground = new Mesh(
      new PlaneGeometry(FLOOR, FLOOR),
      // Less than white, which the lights would make of it.
      new MeshStandardMaterial({ roughness: 1, color: 0xd8d5ce }),
    );
    ground.position.z = height;
    ground.receiveShadow = true;
    return ground;
  }

  #add(geom) {
    const { Mesh, MeshStandardMaterial } = this.#three;
    const geometry = this.#shape(geom);
    if (!geometry) return;
    const mesh = new Mesh(geometry, new MeshStandardMaterial({ roughness: 0.55, metalness: 0.05 }));
    mesh.castShadow = mesh.receiveShadow = true;
    mesh.matrixAutoUpdate = false;
    mesh.frustumCulled = false;
    mesh.userData.geom = geom;
    const { model } = this;
    const number = model.geom_matid[geom];
    const MATERIAL = this.#mujoco.mjtObj.mjOBJ_MATERIAL.value;
    const material = number >= 0 ? this.#mujoco.mj_id2name(model, MATERIAL, number) : '';
    const [colors, row] = number >= 0 ? [model.mat_rgba, number] : [model.geom_rgba, geom];
    this.#parts.push({ mesh, geom, material, own: colors.slice(4 * row, 4 * row + 3) });
    this.body.add(mesh);
  }

  #shape(geom) {
    const { BoxGeometry, CapsuleGeometry, CylinderGeometry, SphereGeometry } = this.#three;
    const [a, b, c] = this.model.geom_size.slice(3 * geom, 3 * geom + 3);
    // The axis of three's is y, and of MuJoCo's z.
    const along = (geometry) => geometry.rotateX(Math.PI / 2);
    switch (this.model.geom_type[geom]) {
      case SPHERE:
        return new SphereGeometry(a, 32, 20);
      case CAPSULE:
        return along(new CapsuleGeometry(a, 2 * b, 10, 24));
      case ELLIPSOID:
        return new SphereGeometry(1, 32, 20).scale(a, b, c);
      case CYLINDER:
        return along(new CylinderGeometry(a, a, 2 * b, 40));
      case BOX:
        return new BoxGeometry(2 * a, 2 * b, 2 * c);
      default:
        return null;
    }
  }

  // The middle of the robot, not as high as it jumps.
  #center() {
    const root = 3 * Math.min(1, this.data.subtree_com.length / 3 - 1);
    const [x, y, z] = this.data.subtree_com.slice(root, root + 3);
    return { x, y, z: this.fixed ? z : this.size * 0.3 };
  }

  // Chooses how far away the camera is, by the size of the robot.
  #frame() {
    this.update();
    const [positions, bounds] = [this.data.geom_xpos, this.model.geom_rbound];
    let [low, high] = [Infinity, -Infinity];
    for (const { geom } of this.#parts) {
      for (const axis of [0, 2]) {
        low = Math.min(low, positions[3 * geom + axis] - bounds[geom] - (axis ? 0 : positions[0]));
        high = Math.max(
          high,
          positions[3 * geom + axis] + bounds[geom] - (axis ? 0 : positions[0]),
        );
      }
    }
    this.size = Math.min(Math.max(high - Math.max(low, -1), 0.6), 2.2);
    // Whether it stays where it is.
    this.fixed = this.#mujoco.mj_name2id(this.model, 3, 'rootx') < 0;
    [this.#azimuth, this.#height] = [0.35, 0.16];
    const { x, y, z } = this.#center();
    this.#look = { x, y, z };
  }

  // Narrow windows look from further away.
  #aim() {
    const distance = this.size * (1.1 + 1.7 / Math.min(this.camera.aspect, 2));
    const { x, y, z } = this.#look;
    const [a, h] = [this.#azimuth, this.#height];
    this.camera.position.set(
      x + distance * Math.sin(a) * Math.cos(h),
      y - distance * Math.cos(a) * Math.cos(h),
      z + distance * Math.sin(h),
    );
    this.camera.lookAt(x, y, z);
    this.sun.position.set(x - 2, y - 3, z + 5);
    this.sun.target.position.set(x, y, 0);
    this.#floor.position.x = 2 * TILE * Math.round(x / (2 * TILE));
    this.#floor.position.y = 2 * TILE * Math.round(y / (2 * TILE));
  }
}
