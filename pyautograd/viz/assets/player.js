// Steps, keys, search, theme: what the reader does.

let current = 0, chosen = DATA.output, timer = null, matches = null;
let pinned = false; // the reader chose what the panel shows

const plural = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

function go(step, { follow = true } = {}) {
  current = Math.max(0, Math.min(STEPS.length - 1, step));
  const { key } = STEPS[current];
  if (key !== undefined) chosen = key;
  pinned = false;
  hoverEnd();
  paint();
  $("panel").scrollTop = 0;
  if (follow && key !== undefined) showCard(key, true);
}

function paint() {
  paintStep(current, matches);
  $("panel").replaceChildren(...(current || pinned ? details(chosen, current) : overview()));
  $("caption").replaceChildren(...caption());
  $("slider").value = current;
  $("slider").setAttribute("aria-valuetext", $("caption").textContent);
  document.querySelector(".track").classList.toggle("late", current >= SEED);
  $("count").textContent = `${current} of ${STEPS.length - 1}`;
  for (const [id, off] of [["first", !current], ["back", !current], ["next", current === STEPS.length - 1], ["last", current === STEPS.length - 1]]) $(id).disabled = off;
  document.body.dataset.step = current;
}

function boxOf({ name: card, x, y }) {
  const [w, h] = sizeOf(card);
  return [x - w / 2, y - h / 2, x + w / 2, y + h / 2 + 12];
}

// Puts the card of a value in view, with its operands where they fit.
function showCard(key, around = false) {
  const names = new Set([shownAs[key], ...(around ? edgesInto[key].map((edge) => shownAs[edge.source]) : [])]);
  const boxes = [...names].map((n) => boxOf(cards.get(n)));
  const all = boxes.reduce((a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])]);
  const room = [viewport.clientWidth - 80, viewport.clientHeight - 80].map((n) => n / camera.scale);
  show(all[2] - all[0] <= room[0] && all[3] - all[1] <= room[1] ? all : boxes[0]);
}

function choose(key, move = false) {
  chosen = key;
  pinned = true;
  paint();
  $("panel").scrollTop = 0;
  if (move) {
    reveal(key);
    showCard(key);
    if (viewport.contains(document.activeElement)) cards.get(shownAs[key]).element.focus({ preventScroll: true });
  }
}

// ---- what happens, in a sentence ----------------------------------------------------------------

function inline(inside) {
  const box = el("span");
  box.innerHTML = `<math>${inside}</math>`;
  return box.firstChild;
}

function caption() {
  const { kind, key } = STEPS[current];
  if (kind === "given") return givenCaption();
  const forward = kind === "forward";
  const total = forward ? DATA.forward.length : DATA.backward.length;
  const badge = (text) => el("span", { class: `phase ${forward ? "forward" : "backward"}` }, text);
  if (kind === "seed") {
    const what = DATA.several ? ["L is the sum of ", inline(name(NODES[key].symbol)), ", so every"] : ["L is ", inline(name(NODES[key].symbol)), ", so"];
    return [badge("backward starts"), el("span", {}, ...what, " ", inline(equals(partial(key), "<mn>1</mn>")))];
  }
  if (forward) return [badge(`forward ${current} of ${total}`), el("span", {}, forwardSentence(key))];
  return [badge(`backward ${current - SEED} of ${total}`), el("span", {}, backwardSentence(key))];
}

function givenCaption() {
  const count = (kind) => NODES.filter((node) => node.kind === kind).length;
  const parts = ["input", "parameter", "constant"].map((kind) => [count(kind), kind]).filter(([n]) => n).map(([n, kind]) => plural(n, kind));
  const touch = matchMedia("(hover: none)").matches;
  const next = STEPS.length > 1 ? [touch ? "Tap " : "Press ", el("kbd", {}, touch ? "▶" : "→"), " to compute."] : [];
  return [el("span", { class: "phase forward" }, "given"), el("span", {}, `${parts.join(", ")}. `, ...next)];
}

function forwardSentence(key) {
  const node = NODES[key], made = DATA.formulas[node.formula], array = values(node.value);
  const numbers = inNumbers(made.value, key);
  const sides = [name(node.symbol), inNames(made.value, key)];
  if (numbers) sides.push(numbers);
  if (array?.size === 1) sides.push(number(array.data[0], true));
  return [el("b", {}, node.label), " ", inline(equals(...sides)), array ? (array.size === 1 ? "" : `, ${shapeText(array.shape)}`) : ", not kept"];
}

function backwardSentence(key) {
  const node = NODES[key], made = DATA.formulas[node.formula], grad = values(node.grad);
  const to = edgesInto[key].filter((edge) => edge.sent !== null);
  const parts = [el("b", {}, node.label), ": ", inline(grad?.size === 1 ? equals(partial(key), number(grad.data[0], true)) : partial(key)), " arrives; "];
  to.slice(0, 3).forEach((edge, i) => {
    const sent = values(edge.sent), numbers = inNumbers(made.grads[edge.slot] ?? "", key);
    const sides = sent.size === 1 && numbers ? [numbers, number(sent.data[0], true)] : [inNames(made.grads[edge.slot] ?? "<mo>?</mo>", key)];
    parts.push(i ? ", " : "sends ", inline(equals(...sides)), " to ", inline(name(NODES[edge.source].symbol)));
  });
  if (to.length > 3) parts.push(` and ${plural(to.length - 3, "more gradient")}`);
  if (!to.length) parts.push("nothing goes on");
  return parts;
}

// The value that the reader looks at: before the first step, the first to be computed.
const inFocus = () => (pinned || current ? chosen : DATA.forward[0] ?? DATA.output);

// The least scale at which cards can be read.
const readable = () => (innerWidth > 760 ? 0.8 : 0.66);

// ---- arrangements -------------------------------------------------------------------------------

// With a group, that stays in view.
function rearrange(name, group = null) {
  arrange(name);
  paint();
  if (group === null) {
    fit(readable());
    showCard(inFocus(), true);
    return;
  }
  const frame = state.frames.find(([number]) => number === group), card = cards.get(`g${group}`);
  if (frame) show([frame[1], frame[2], frame[1] + frame[3], frame[2] + frame[4]], { top: true });
  else if (card) show(boxOf(card));
}

// Unfolds what hides a value.
function reveal(key) {
  if (!isGroup(shownAs[key])) return;
  const depth = NODES[key].path.length;
  const group = DATA.groups.findIndex((g) => g.path.length === depth && g.members.includes(key));
  arrange(group >= 0 && DATA.states[group] ? String(group) : "all");
  paint();
}

// ---- search -------------------------------------------------------------------------------------

let found = [], at = -1;

function search(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const content = (node) => [node.label, node.symbol, node.kind, node.path.join("."), node.shape?.join("x"), node.dtype, node.origin?.file, node.origin?.code].join(" ").toLowerCase();
  found = words.length ? NODES.map((_, key) => key).filter((key) => words.every((word) => content(NODES[key]).includes(word))) : [];
  at = -1;
  matches = words.length ? new Set(found.map((key) => shownAs[key])) : null;
  $("found").textContent = words.length ? (found.length ? String(found.length) : "none") : "";
  paintStep(current, matches);
}

function nextFound(direction) {
  if (!found.length) return;
  at = (at + direction + found.length) % found.length;
  choose(found[at], true);
  matches = new Set(found.map((key) => shownAs[key]));
  paintStep(current, matches);
  $("found").textContent = `${at + 1} of ${found.length}`;
}

$("search").addEventListener("input", (event) => search(event.target.value));
$("search").addEventListener("keydown", (event) => {
  if (event.key === "Enter") nextFound(event.shiftKey ? -1 : 1);
  if (event.key === "Escape") {
    event.target.value = "";
    search("");
    viewport.focus();
  }
  event.stopPropagation();
});

// ---- play ---------------------------------------------------------------------------------------

const ICONS = {
  play: '<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M6 4l10 6-10 6z" fill="currentColor" stroke="currentColor" stroke-width="2" stroke-linejoin="round"/></svg>',
  pause: '<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M7 4v12M13 4v12" stroke="currentColor" stroke-width="3.5" stroke-linecap="round"/></svg>',
};

function play(on) {
  clearInterval(timer);
  timer = null;
  if (on) {
    if (current === STEPS.length - 1) go(0);
    timer = setInterval(() => {
      go(current + 1);
      if (current === STEPS.length - 1) play(false);
    }, Math.max(220, Math.min(1300, 60000 / STEPS.length)));
  }
  $("play").innerHTML = on ? ICONS.pause : ICONS.play;
  $("play").setAttribute("aria-label", on ? "Pause" : "Play");
}

const stepTo = (step) => {
  play(false);
  go(step);
};
$("first").addEventListener("click", () => stepTo(0));
$("back").addEventListener("click", () => stepTo(current - 1));
$("next").addEventListener("click", () => stepTo(current + 1));
$("last").addEventListener("click", () => stepTo(STEPS.length - 1));
$("play").addEventListener("click", () => play(!timer));
$("slider").addEventListener("input", (event) => stepTo(Number(event.target.value)));

// ---- keys ---------------------------------------------------------------------------------------

function climb(down) {
  const next = down ? edgesFrom[chosen].map((edge) => edge.target) : edgesInto[chosen].map((edge) => edge.source);
  if (next.length) choose(next[0], true);
}

const KEYS = {
  ArrowRight: () => stepTo(current + 1), ArrowLeft: () => stepTo(current - 1),
  ArrowUp: () => climb(false), ArrowDown: () => climb(true),
  Home: () => stepTo(0), End: () => stepTo(STEPS.length - 1), " ": () => play(!timer),
  "+": () => zoomAt(1.3), "=": () => zoomAt(1.3), "-": () => zoomAt(1 / 1.3), 0: () => fit(),
  "/": () => $("search").focus(), t: () => toggleTheme(), f: () => toggleFolds(), "?": () => $("about").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("about").open) return;
  const control = event.target.closest("button, select, input, [role=button]"), inPanel = event.target.closest("#panel");
  if (control && control.id !== "slider" && [" ", "Enter"].includes(event.key)) {
    if (control.matches(".card")) {
      travelled = 0;
      control.click();
      event.preventDefault();
    }
    return;
  }
  if (control?.matches("select, input") && control.id !== "slider" && event.key.startsWith("Arrow")) return;
  if (inPanel && ["ArrowUp", "ArrowDown", "Home", "End", " "].includes(event.key)) return;
  const action = KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

// ---- theme, folds, start ------------------------------------------------------------------------

const dark = matchMedia("(prefers-color-scheme: dark)");

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  readPalette();
  if (state) {
    arrange(stateName);
    paint();
  }
}

let themeChosen = false;
function toggleTheme() {
  themeChosen = true;
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
}
dark.addEventListener("change", () => themeChosen || setTheme(dark.matches ? "dark" : "light"));
$("theme").addEventListener("click", toggleTheme);
$("help").addEventListener("click", () => $("about").showModal());

function toggleFolds() {
  if (DATA.states.none) rearrange(stateName === "none" ? "all" : "none");
}
$("fold").addEventListener("click", toggleFolds);

$("slider").max = STEPS.length - 1;
document.querySelector(".track").style.setProperty("--split", DATA.tape ? `${(SEED - 0.5) / (STEPS.length - 1) * 100}%` : "100%");
document.querySelector(".phases .backward").hidden = !DATA.tape;
$("fold").hidden = !DATA.states.none;
setTheme(dark.matches ? "dark" : "light");
play(false);
arrange(DATA.states.none && NODES.length > 48 ? "none" : "all");
go(0);
fit(readable());
showCard(inFocus(), true);
new ResizeObserver(() => applyCamera()).observe(viewport);
