// The maps as small pictures, and which of them a gate lets through.
const fillMaps = (r, choose) => r.maps.planes.slice(0, r.shown).map((plane, c) => {
  const canvas = make("canvas", { "aria-hidden": "true" });
  drawPlane(canvas, plane, r.maps, 0, r.brightest);
  const button = make("button", { type: "button", class: "map" },
    canvas, make("span", {}, `${c + 1}: ${shown(r.z[c])}`));
  button.addEventListener("click", () => choose(c));
  byId("maps").append(button);
  return () => {
    button.setAttribute("aria-pressed", c === r.chosen);
    button.setAttribute("aria-label", word("bright")(c + 1, shown(r.z[c]), brightest(plane, r.maps)));
  };
});

const fillBars = (place, name, gate, top, { chosen, shown: most }) => {
  const order = gate.map((s, c) => [s, c]).sort((a, b) => b[0] - a[0]);
  const items = order.map(([s, c]) => {
    const bar = make("span", { class: "bar" });
    bar.style.inlineSize = `${(100 * s) / top}%`;
    const item = make("li", {}, make("span", { class: "number" }, `${c + 1}`),
      make("span", { class: "track" }, bar), make("span", { class: "number" }, shown(s)));
    item.classList.toggle("chosen", c === chosen);
    return item;
  });
  if (items.length > most) {
    const half = Math.ceil(most / 2);
    items.splice(half, items.length - 2 * half, make("li", {}, `… (${items.length - 2 * half})`));
  }
  place.replaceChildren(make("h3", {}, name), make("ol", { class: "bars" }, ...items));
};

const fillEnds = (place, r, name, gate) => {
  const order = r.maps.planes.map((_, c) => c).sort((a, b) => gate[a] - gate[b]);
  const pair = (c, which) => {
    const plane = r.maps.planes[c];
    const draw = (factor) => drawPlane(make("canvas", {}), plane.map((x) => x * factor), r.maps,
      0, largest(plane));
    const both = make("div", { class: "pair", role: "img", "aria-label": word("gated")(c + 1, name, shown(gate[c])) },
      draw(1), draw(gate[c]));
    return make("figure", {}, both, make("figcaption", {},
      `${name}, ${word(which)}: ${word("map")} ${c + 1}, ${word("gate")} ${shown(gate[c])}`));
  };
  place.replaceChildren(pair(order[0], "weakest"), pair(order.at(-1), "strongest"));
};

// All gates that the page has, by name.
const gatesOf = (n, r) => [
  ["SE", n.se, r.se], ["ECA", n.eca, r.eca], ["CBAM", n.cbam, r.cbam],
].filter(([, given]) => given);
const fillSorted = (n, r) => {
  for (const [name, { top }, { gate }] of gatesOf(n, r)) {
    fillBars(byId(`bars-${name}`), name, gate, top, r);
    fillEnds(byId(`ends-${name}`), r, name, gate);
  }
};

// One channel's gates as one would compute them with a pencil.
const handTable = (n, r) => {
  const line = (cells) => make("tr", {}, ...cells.map((text, c) => (
    c ? make("td", {}, text) : make("th", { scope: "row" }, text))));
  const weight = n.se.reduce.weight.slice(0, 8);
  const { bias } = n.se.reduce;
  const cells = (c) => weight.flatMap((row) => [shown(row[c]), shown(row[c] * r.z[c])]);
  const rows = r.z.slice(0, r.shown).map((x, c) => line([`${c + 1}`, shown(x), ...cells(c)]));
  if (r.shown < r.z.length) rows.push(line(["…", "…", ...weight.flatMap(() => ["…", "…"])]));
  const sums = (say) => weight.flatMap((_, k) => ["", say(k)]);
  const ends = [
    line([word("total"), "", ...sums((k) => shown(r.se.before[k] - bias[k]))]),
    line(["+ b₁", "", ...sums((k) => shown(bias[k]))]),
    line(["relu", "", ...sums((k) => `h${sub(k)} = ${shown(r.se.hidden[k])}`)]),
  ];
  for (const end of ends) end.className = "total";
  const units = weight.flatMap((_, k) => [`W₁[${k + 1}]`, "× z"]);
  const head = make("tr", {}, make("td", {}), ...["z", ...units].map((text) => (
    make("th", { scope: "col" }, text))));
  byId("hand").replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows, ...ends));
};
const fillHand = (n, r) => {
  const c = r.chosen;
  byId("channel").value = c;
  if (n.se) {
    handTable(n, r);
    byIdText("hand-se-u", expandText(`u${sub(c)}`, n.se, r.se.hidden, c, r.se.out[c]));
    byIdText("hand-se-s", `s${sub(c)} = ${sigma(r.se.out[c], n.se.top)} = ${shown(r.se.gate[c])}`);
  }
  if (n.eca) {
    byIdText("hand-eca-u", `u${sub(c)} = ${products(n.eca.taps, r.eca.around[c])} = ${shown(r.eca.out[c])}`);
    byIdText("hand-eca-s", `s${sub(c)} = ${sigma(r.eca.out[c], n.eca.top)} = ${shown(r.eca.gate[c])}`);
  }
};
