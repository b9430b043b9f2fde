// What is known of one value: in the panel, and in short beside the pointer.

function details(key, step, brief = false) {
  const node = NODES[key], op = node.kind === "op";
  const parts = [el("h2", {}, op ? `${node.label} ` : short(node.label, 80), op ? symbolElement(node.symbol) : null)];
  const where = node.path.length && !(node.kind === "parameter") ? ` · in ${node.path.join(".")}` : "";
  parts.push(el("p", { class: "meta" }, `${op ? "" : `${node.kind} · `}${shapeText(node.shape)}${node.dtype ? ` · ${node.dtype}` : ""}${where}`));
  if (op) parts.push(...formulaPart(key, step, brief));
  if (node.origin) {
    parts.push(el("code", { class: "code", title: "where the program made it" }, el("i", {}, `${node.origin.file}:${node.origin.line}  `), node.origin.code));
  }
  if (step >= SEED && !brief) parts.push(...gradPart(key, step, brief));
  if (op && node.windows && !brief && computedAt[key] <= step) {
    parts.push(el("h3", {}, { conv: "The window, and im2col", unfold: "im2col" }[node.windows.type] ?? "The windows"), windowsView(key, step));
  }
  parts.push(...valuePart(key, step, brief));
  if (step < SEED || brief) parts.push(...gradPart(key, step, brief));
  if (!brief) parts.push(...linksPart(key), ...attributesPart(node));
  return parts.filter(Boolean);
}

function formulaPart(key, step) {
  const node = NODES[key], made = DATA.formulas[node.formula];
  const parts = [math(equals(name(node.symbol), inNames(made.value, key)))];
  const numbers = computedAt[key] <= step && values(node.value) && inNumbers(made.value, key);
  if (numbers) parts.push(math(equals(name(node.symbol), numbers, number(values(node.value).data[0], true)), "formula numbers"));
  return parts;
}

function valuePart(key, step, brief) {
  const node = NODES[key], array = values(node.value);
  const title = el("h3", { class: "forward" }, "value");
  if (computedAt[key] > step) return [title, el("p", { class: "note" }, "Not computed yet: step on.")];
  if (!array) {
    return [title, el("p", { class: "note" }, "Not kept: the tape holds what backward needs, and no more. Compute it under ", el("code", {}, "with ag.viz.record():"), " to see every value.")];
  }
  const view = arrayView(array, { label: `value of ${node.symbol}`, room: brief ? [250, 90] : [416, 230], read: !brief });
  const bad = badText(array);
  return [title, bad && array.size > 1 || bad && bornHere(key) ? el("p", { class: "note warn" }, `${bad} of ${array.size}${bornHere(key) ? ": made here, the operands are finite" : ""}`) : null, view];
}

// Whether the operands hold neither NaN nor infinities.
const bornHere = (key) => NODES[key].kind === "op" && edgesInto[key].every((edge) => values(NODES[edge.source].value) && !badText(values(NODES[edge.source].value)));

function gradPart(key, step, brief) {
  const node = NODES[key], array = values(node.grad);
  if (!DATA.tape) return [];
  const title = el("h3", { class: "backward" }, "gradient");
  if (!array) return brief ? [] : [title, el("p", { class: "note" }, node.kind === "constant" ? "A constant: none goes here." : "None: L does not depend on it, or it requires none.")];
  const { count, expected, whole } = arrived(key, step);
  const parts = [title];
  if (!count && brief) return [];
  if (!whole) parts.push(el("p", { class: "note" }, count ? `${count} of ${expected} have come so far; they are added.` : "Not there yet: step on to the backward part."));
  else {
    const sides = [partial(key), key === DATA.output ? "<mn>1</mn>" : sumOfParts(key)];
    if (array.size === 1 && key !== DATA.output) sides.push(number(array.data[0], true));
    parts.push(math(equals(...sides), "formula"));
    const bad = badText(array);
    if (bad) parts.push(el("p", { class: "note warn" }, `${bad} of ${array.size}`));
    parts.push(arrayView(array, { label: `gradient of ${node.symbol}`, tone: "backward", room: brief ? [250, 90] : [416, 230], read: !brief }));
  }
  if (node.hooked) parts.push(el("p", { class: "note" }, "A hook is registered here. The page does not run it: these are the gradients without it."));
  if (!brief && node.kind === "op" && visitedAt[key] <= step) parts.push(...sentPart(key));
  return parts;
}

// ∂L/∂a as the sum over what reads it.
function sumOfParts(key) {
  const carrying = edgesFrom[key].filter((edge) => edge.sent !== null);
  const terms = carrying.slice(0, 4).map((edge) => inNames(DATA.formulas[NODES[edge.target].formula].grads[edge.slot] ?? "<mo>?</mo>", edge.target));
  return terms.join("<mo>+</mo>") + (carrying.length > 4 ? "<mo>+</mo><mo>…</mo>" : "");
}

// What an op hands to its operands.
function sentPart(key) {
  const node = NODES[key], made = DATA.formulas[node.formula], parts = [el("h3", { class: "backward" }, "sent on")];
  for (const edge of edgesInto[key]) {
    const sent = values(edge.sent);
    if (!sent || !made.grads[edge.slot]) continue;
    const to = NODES[edge.source], several = edgesFrom[edge.source].filter((e) => e.sent !== null).length > 1;
    const local = made.local[edge.slot];
    if (local) {
      const sides = [`<mfrac><mrow><mo>∂</mo>${name(node.symbol)}</mrow><mrow><mo>∂</mo>${name(to.symbol)}</mrow></mfrac>`, inNames(local, key)];
      const array = values(edge.local);
      if (array?.size === 1) sides.push(number(array.data[0], true));
      parts.push(math(equals(...sides)));
    }
    const formula = inNames(made.grads[edge.slot], key);
    const numbers = inNumbers(made.grads[edge.slot], key);
    const sides = several ? [formula] : [partial(edge.source), formula];
    if (numbers && sent.size === 1) sides.push(numbers);
    if (sent.size === 1) sides.push(number(sent.data[0], true));
    parts.push(math(equals(...sides)));
    if (several) parts.push(el("p", { class: "note" }, `to ${short(to.symbol)}, added to what comes from elsewhere`));
    if (node.shape && to.shape && local && to.shape.join() !== node.shape.join()) {
      parts.push(el("p", { class: "note" }, `summed over the broadcast dimensions, to ${shapeText(to.shape)}`));
    }
    if (sent.size !== 1) parts.push(arrayView(sent, { label: `gradient sent to ${to.symbol}`, tone: "backward", room: [416, 150] }));
  }
  return parts.length > 1 ? parts : [];
}

function linksPart(key) {
  const node = NODES[key], parts = [];
  const list = (title, keys) => {
    if (!keys.length) return;
    parts.push(el("h3", {}, title), el("div", { class: "links" }, keys.slice(0, 12).map((k) =>
      el("button", { type: "button", onclick: () => choose(k, true) }, `${NODES[k].kind === "op" ? `${NODES[k].label} ` : ""}${short(NODES[k].symbol, 26)}`))));
  };
  list("computed from", [...new Set((node.slots ?? []).filter((k) => k !== null))]);
  list("used by", [...new Set(edgesFrom[key].map((edge) => edge.target))]);
  return parts;
}

function attributesPart(node) {
  if (!node.attrs?.length) return [];
  return [el("h3", {}, "arguments"), el("p", { class: "meta" }, node.attrs.map(([k, v]) => `${k} = ${v}`).join(" · "))];
}

// ---- before the first step ----------------------------------------------------------------------

function overview() {
  const ops = DATA.forward.length, leaves = NODES.map((_, key) => key).filter((key) => NODES[key].kind !== "op");
  const parts = [
    el("h2", {}, DATA.title),
    el("p", { class: "meta" }, `${plural(ops, "op")}${DATA.tape ? `. Forward computes each value; then backward carries ∂L/∂L = 1 from the result to the inputs, one op at a time.` : ". It requires no gradient, so there is no way back."}`),
    DATA.tape ? el("p", { class: "meta" }, "L is ", DATA.several ? "the sum of " : "", el("b", {}, NODES[DATA.output].symbol), ".") : null,
  ];
  for (const kind of ["input", "parameter", "constant"]) {
    const here = leaves.filter((key) => NODES[key].kind === kind);
    if (!here.length) continue;
    parts.push(el("h3", {}, plural(here.length, kind)), el("div", { class: "links" }, here.slice(0, 12).map((key) => {
      const array = values(NODES[key].value);
      const what = array?.size === 1 ? (kind === "constant" ? "" : `= ${format(array.data[0], 5)}`) : shapeText(NODES[key].shape);
      return el("button", { type: "button", onclick: () => choose(key, true) }, el("b", {}, kind === "constant" ? NODES[key].symbol : short(NODES[key].label, 30)), ` ${what}`);
    })), here.length > 12 ? el("p", { class: "note" }, `and ${here.length - 12} more`) : null);
  }
  const text = notes();
  if (text) parts.push(el("h3", {}, "to know"), el("p", { class: "note" }, text));
  return parts.filter(Boolean);
}

// What the page lacks.
function notes() {
  const cut = DATA.arrays.filter((a) => a && a.shape.some((n, d) => n > a.held[d])).length;
  const missing = NODES.filter((node) => node.value === null).length;
  return [
    cut ? `Of ${plural(cut, "large array")} the page holds the first elements only; ranges and means are of the whole.` : "",
    missing ? `The tape has not kept ${plural(missing, "value")}: compute under “with ag.viz.record():” to see them all.` : "",
  ].filter(Boolean).join(" ");
}

// ---- beside the pointer -------------------------------------------------------------------------

let hoverTimer = null;

function hoverSoon(card) {
  clearTimeout(hoverTimer);
  hoverTimer = setTimeout(() => {
    if (pointers.size || shownAs[chosen] === card.name && !isGroup(card.name) && (current || pinned)) return;
    const box = $("hover"), group = isGroup(card.name) ? groupOf(card.name) : null;
    box.replaceChildren(...(group
      ? [el("h2", {}, `${group.path.join(".")}  ${group.class}`), el("p", { class: "meta" }, `${group.members.filter((k) => NODES[k].kind === "op").length} ops inside. Click to unfold.`)]
      : details(card.name, current, true)));
    box.hidden = false;
    const area = viewport.getBoundingClientRect(), at = card.element.getBoundingClientRect();
    const right = at.right - area.left + 12;
    const x = right + box.offsetWidth < area.width ? right : Math.max(4, at.left - area.left - box.offsetWidth - 12);
    const y = Math.min(Math.max(6, at.top - area.top - 20), Math.max(6, area.height - box.offsetHeight - 6));
    box.style.left = `${x}px`;
    box.style.top = `${y}px`;
  }, 180);
}

function hoverEnd() {
  clearTimeout(hoverTimer);
  $("hover").hidden = true;
}
