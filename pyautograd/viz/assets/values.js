// The data of the page, arrays and numbers as text, formulas.

const DATA = JSON.parse(document.getElementById("data").textContent);
const NODES = DATA.nodes, EDGES = DATA.edges;
const $ = (id) => document.getElementById(id);

function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((x) => x !== null && x !== undefined && x !== false));
  return element;
}

const edgesInto = NODES.map(() => []), edgesFrom = NODES.map(() => []);
for (const edge of EDGES) {
  edgesInto[edge.target].push(edge);
  edgesFrom[edge.source].push(edge);
}

// ---- arrays -------------------------------------------------------------------------------------

// A part of a large array: `shape` is the whole's, `held` is how much of each dimension is here.
class Values {
  constructor(entry) {
    Object.assign(this, entry);
    const bytes = Uint8Array.from(atob(entry.data), (c) => c.charCodeAt(0));
    this.data = entry.wide ? new Float64Array(bytes.buffer) : new Float32Array(bytes.buffer);
    this.size = this.shape.reduce((a, b) => a * b, 1);
    this.cut = this.shape.some((n, d) => n > this.held[d]);
    this.largest = Math.max(Math.abs(this.low ?? 0), Math.abs(this.high ?? 0));
  }

  // The value at these places; undefined where it is not held.
  at(...places) {
    let i = 0;
    for (let d = 0; d < places.length; d++) {
      if (places[d] < 0 || places[d] >= this.held[d]) return undefined;
      i = i * this.held[d] + places[d];
    }
    return this.data[i];
  }
}

const decoded = new Map();
function values(number) {
  if (number === null || number === undefined) return null;
  if (!decoded.has(number)) decoded.set(number, new Values(DATA.arrays[number]));
  return decoded.get(number);
}

// ---- text ---------------------------------------------------------------------------------------

function format(x, digits = 6) {
  if (x === undefined || x === null) return "?";
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  let text = Number(x).toPrecision(digits);
  if (text.includes("e")) {
    const [mantissa, power] = text.split("e");
    text = `${Number(mantissa)}e${power.replace("+", "")}`;
  } else if (Number.isInteger(x) && Math.abs(x) < 1e15) text = String(x);
  else text = Math.abs(x) < 1e-4 ? Number(x).toExponential(Math.max(1, digits - 3)).replace(/\.?0+e/, "e") : String(Number(text));
  return text.replaceAll("-", "−");
}

const numberClass = (x) => (Number.isNaN(x) ? "nan" : Number.isFinite(x) ? "" : "inf");
const shapeText = (shape) => (!shape ? "shape not known" : shape.length ? shape.join(" × ") : "one number");
const short = (text, most = 22) =>
  text.length <= most ? text : `${text.slice(0, Math.ceil(most / 2) - 1)}…${text.slice(1 - Math.floor(most / 2))}`;
const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

// "2 NaN, 1 infinite", or nothing.
function badText(array) {
  if (!array) return "";
  const parts = [];
  if (array.nan) parts.push(`${array.nan} NaN`);
  if (array.infinite) parts.push(`${array.infinite} infinite`);
  return parts.join(", ");
}

// ---- formulas -----------------------------------------------------------------------------------

// Characters in DATA.formulas that stand for names: see viz/math.py.
const RESULT = "\ue000", ARRIVING = "\ue001", FIRST_OPERAND = 0xe002;

const NUMBERED = /^(\p{L})(\d+)$/u;

function name(text) {
  if (/^[−-]?[\d.]+(e[−-]?\d+)?$/.test(text)) return `<mn>${escaped(text.replaceAll("-", "−"))}</mn>`;
  const numbered = NUMBERED.exec(text);
  if (numbered) return `<msub><mi class="name">${numbered[1]}</mi><mn>${numbered[2]}</mn></msub>`;
  return `<mi class="name">${escaped(short(text, 20))}</mi>`; // a <mtext> would count as space
}

function number(x, bare = false) {
  const text = format(x, 5), power = /^(.*)e(.*)$/.exec(text);
  const mathml = power ? `<mrow><mn>${power[1]}</mn><mo>·</mo><msup><mn>10</mn><mn>${power[2]}</mn></msup></mrow>` : `<mn${numberClass(x) && ` class="${numberClass(x)}"`}>${text}</mn>`;
  return x < 0 && !bare ? `<mrow><mo>(</mo>${mathml}<mo>)</mo></mrow>` : mathml;
}

const partial = (key) => `<mfrac><mrow><mo>∂</mo><mi>L</mi></mrow><mrow><mo>∂</mo>${name(NODES[key].symbol)}</mrow></mfrac>`;

// The MathML of a formula with `fill(what)` for what it stands for. Of single numbers, the product
// element by element is a product.
function filled(template, single, fill) {
  const product = `<mo lspace=".25em" rspace=".25em">${single ? "·" : "⊙"}</mo>`;
  return template.replaceAll("<mo>&#x02299;</mo>", product).replace(/<mo>(&#x022C6;|&#x02217;)<\/mo>/g, '<mo lspace=".25em" rspace=".25em">$1</mo>').replace(/<mi>([\ue000-\ue00f])<\/mi>/g, (_, c) =>
    fill(c === RESULT ? "result" : c === ARRIVING ? "arriving" : c.charCodeAt(0) - FIRST_OPERAND))
    .replace(/<mn>([\d.]+)<\/mn><mo>&#x02212;<\/mo><mn>1<\/mn>/g, (_, n) => number(n - 1)) // exponents
    .replace(/<msup>((?:(?!<\/?msup>).)*)<mrow><mn>1<\/mn><\/mrow><\/msup>/g, "$1");
}

// As names say it.
function inNames(template, key) {
  const { slots } = NODES[key];
  return filled(template, NODES[key].shape?.length === 0, (what) =>
    what === "result" ? name(NODES[key].symbol)
      : what === "arriving" ? partial(key)
        : slots[what] === null ? "<mi>∅</mi>" : name(NODES[slots[what]].symbol));
}

// With the numbers; null unless all of them are single ones.
function inNumbers(template, key) {
  const { slots } = NODES[key];
  let whole = true;
  const text = filled(template, true, (what) => {
    const array = values(what === "result" ? NODES[key].value : what === "arriving" ? NODES[key].grad : NODES[slots[what]]?.value);
    if (!array || array.size !== 1) {
      whole = false;
      return "";
    }
    return number(array.data[0]);
  });
  return whole ? text : null;
}

function math(inside, kind = "formula") {
  const box = el("div", { class: kind });
  box.innerHTML = `<math displaystyle="true">${inside}</math>`;
  return box;
}

// Sides that repeat the one before are left out.
const plain = (side) => side?.replace(/<[^>]*>|[()]/g, "");
const equals = (...sides) => sides.filter((side, i) => plain(side) !== plain(sides[i - 1])).join("<mo>=</mo>");
