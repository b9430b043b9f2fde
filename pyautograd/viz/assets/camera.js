// Pan and zoom of the graph: mouse, touch, wheel, keys.

const camera = { x: 0, y: 0, scale: 1, width: 1, height: 1 };
const viewport = $("graph"), world = $("world");

function applyCamera() {
  world.style.transform = `translate(${camera.x}px, ${camera.y}px) scale(${camera.scale})`;
  viewport.style.backgroundPosition = `${camera.x}px ${camera.y}px`;
}

function zoomAt(factor, x = viewport.clientWidth / 2, y = viewport.clientHeight / 2) {
  cancelAnimationFrame(show.frame);
  const scale = Math.min(3, Math.max(0.04, camera.scale * factor));
  camera.x = x - (x - camera.x) * scale / camera.scale;
  camera.y = y - (y - camera.y) * scale / camera.scale;
  camera.scale = scale;
  applyCamera();
}

function fit(least = 0) {
  cancelAnimationFrame(show.frame);
  const margin = 28, [w, h] = [viewport.clientWidth, viewport.clientHeight];
  camera.scale = Math.min(1.25, Math.max(least, Math.min((w - 2 * margin) / camera.width, (h - 2 * margin) / camera.height)));
  camera.x = (w - camera.width * camera.scale) / 2;
  camera.y = Math.max((h - camera.height * camera.scale) / 2, least ? margin : -Infinity);
  applyCamera();
}

// Moves as little as it takes to have the box, of world coordinates, in view: its middle where it is
// too large, or its top.
function show([left, top, right, bottom], { top: atTop = false } = {}) {
  const margin = 40, { scale } = camera;
  const into = (low, high, at, size, start = false) => {
    const [a, b] = [low * scale + at, high * scale + at];
    if (b - a > size - 2 * margin) return start ? at + margin - a : at + size / 2 - (a + b) / 2;
    return a < margin ? at + margin - a : b > size - margin ? at + size - margin - b : at;
  };
  const before = [camera.x, camera.y];
  const after = [into(left, right, camera.x, viewport.clientWidth), into(top, bottom, camera.y, viewport.clientHeight, atTop)];
  if (before[0] === after[0] && before[1] === after[1]) return;
  cancelAnimationFrame(show.frame);
  const start = performance.now();
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const move = (now) => {
    const t = still ? 1 : Math.min(1, (now - start) / 220), ease = 1 - (1 - t) ** 3;
    camera.x = before[0] + (after[0] - before[0]) * ease;
    camera.y = before[1] + (after[1] - before[1]) * ease;
    applyCamera();
    if (t < 1) show.frame = requestAnimationFrame(move);
  };
  move(still ? start + 1 : start);
}

const pointers = new Map();
let travelled = 0; // of the pointer since it went down: beyond some pixels it is no click

viewport.addEventListener("pointerdown", (event) => {
  if (event.target.closest(".zoom, .frame > button")) return;
  cancelAnimationFrame(show.frame);
  pointers.set(event.pointerId, [event.clientX, event.clientY]);
  if (pointers.size === 1) travelled = 0;
});
window.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const now = [event.clientX, event.clientY];
  const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
  travelled += Math.abs(dx) + Math.abs(dy);
  if (pointers.size === 2) pinch(event.pointerId, before, now);
  else if (travelled > 4) {
    viewport.classList.add("dragging");
    camera.x += dx;
    camera.y += dy;
  }
  pointers.set(event.pointerId, now);
  applyCamera();
});
for (const kind of ["pointerup", "pointercancel"]) {
  window.addEventListener(kind, (event) => {
    pointers.delete(event.pointerId);
    if (!pointers.size) viewport.classList.remove("dragging");
  });
}

function pinch(id, before, now) {
  const other = [...pointers].find(([key]) => key !== id)[1];
  const area = viewport.getBoundingClientRect();
  const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
  zoomAt(apart(now) / apart(before), (now[0] + other[0]) / 2 - area.left, (now[1] + other[1]) / 2 - area.top);
  camera.x += (now[0] - before[0]) / 2;
  camera.y += (now[1] - before[1]) / 2;
}

viewport.addEventListener("wheel", (event) => {
  event.preventDefault();
  const area = viewport.getBoundingClientRect();
  const lines = event.deltaMode === 1 ? 30 : 1;
  zoomAt(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)), event.clientX - area.left, event.clientY - area.top);
}, { passive: false });
$("closer").addEventListener("click", () => zoomAt(1.3));
$("farther").addEventListener("click", () => zoomAt(1 / 1.3));
$("fit").addEventListener("click", () => fit());
