// The section on the Spatial Transformer: sliders → θ → grid and picture.
const PARTS = ["turn", "width", "height", "slant", "right", "down"];
const IDENTITY = [[1, 0, 0], [0, 1, 0]];
const few = (x, digits = 2) => x.toFixed(digits).replace(/^-(?=[0.]*$)/, "").replace("-", "−");

const makeWarp = (n, levels) => {
  const picture = readMaps(n.picture);
  const canvas = drawPicture(make("canvas"), picture, levels);
  const w = { picture: { ...picture, canvas }, size: n.size, theta: n.theta };
  return { ...w, ...telling(w) };
};
// The pixel that tells most at first: whose four neighbours differ most.
const telling = (w) => {
  const spread = (row, column) => {
    const values = fourAround(w.picture, sourceAt(w, row, column)).map((one) => one.values[0]);
    return largest(values) - least(values);
  };
  const [rows, columns] = w.size;
  const all = Array.from({ length: rows * columns }, (_, n) => [Math.floor(n / columns), n % columns]);
  const spreads = all.map(([row, column]) => spread(row, column));
  const [row, column] = all[spreads.indexOf(largest(spreads))];
  return { row, column };
};
const sourceAt = (w, i, j) => sourceOf(w.theta, outputPlace(i, j, w.size), w.picture);

const showTheta = (w, except) => {
  const window_ = windowOf(w.theta);
  for (const part of PARTS) {
    byIdText(`${part}-now`, few(window_[part], part === "turn" ? 0 : 2));
    if (part !== except) byId(part).value = window_[part];
  }
  w.theta.flat().forEach((x, k) => {
    const input = byId(`theta-${k}`);
    if (input !== document.activeElement) input.value = x.toFixed(DIGITS);
  });
  const told = Object.fromEntries(PARTS.map((part) => [part, few(window_[part])]));
  byId("source").setAttribute("aria-label", word("window")(told));
};

const pixelTexts = (w, s) => {
  const [[a, b, c], [d, e, f]] = w.theta;
  const at = (k, size) => `2 × ${k} ÷ ${size - 1} − 1`;
  const line = (x, y, z) => `${shown(x)}×${inBrackets(s.x)} + ${inBrackets(y)}×${inBrackets(s.y)} ${plus(z)}`;
  return {
    "pixel-out": `x = ${at(w.column, w.size[1])} = ${shown(s.x)},  y = ${at(w.row, w.size[0])} = ${shown(s.y)}`,
    "pixel-x": `xˢ = ${line(a, b, c)} = ${shown(s.xs)}`,
    "pixel-y": `yˢ = ${line(d, e, f)} = ${shown(s.ys)}`,
    "pixel-column": `(${shown(s.xs)} + 1) × ${w.picture.width - 1} ÷ 2 = ${shown(s.column)}`,
    "pixel-row": `(${shown(s.ys)} + 1) × ${w.picture.height - 1} ÷ 2 = ${shown(s.row)}`,
  };
};
const showPixel = (w) => {
  const s = sourceAt(w, w.row, w.column);
  for (const [id, text] of Object.entries(pixelTexts(w, s))) byIdText(id, text);
  const values = (numbers) => (numbers.length > 1 ? vector(numbers) : shown(numbers[0]));
  const [down, right] = [s.row - Math.floor(s.row), s.column - Math.floor(s.column)];
  const part = (near, after) => (after ? shown(near) : `(1 − ${shown(near)})`);
  const rows = fourAround(w.picture, s).map(({ i, j, inside, values: found, weight }, k) => make("tr", {},
    make("th", { scope: "row" }, `${i}, ${j}`),
    make("td", {}, inside ? values(found) : word("outside")),
    make("td", {}, `${part(down, k > 1)} × ${part(right, k % 2)} = ${shown(weight)}`),
    make("td", {}, values(found.map((x) => x * weight)))));
  const last = make("tr", { class: "total" }, make("th", { scope: "row" }, word("total")),
    make("td", {}), make("td", {}, "1"), make("td", {}, values(sampleAt(w.picture, s))));
  byId("four").querySelector("tbody").replaceChildren(...rows, last);
  byId("pixel-i").value = w.row;
  byId("pixel-j").value = w.column;
};

const showWarp = (w, levels, except) => {
  const out = warped(w.picture, w.theta, w.size);
  drawPicture(byId("warped"), out, levels);
  const source = sourceAt(w, w.row, w.column);
  drawGrid(byId("source"), w.picture, w.size, (i, j) => sourceAt(w, i, j), source);
  const mark = byId("mark").style;
  mark.insetInlineStart = `${(100 * w.column) / w.size[1]}%`;
  mark.insetBlockStart = `${(100 * w.row) / w.size[0]}%`;
  mark.inlineSize = `${100 / w.size[1]}%`;
  mark.blockSize = `${100 / w.size[0]}%`;
  showTheta(w, except);
  showPixel(w);
};

const listenToWarp = (w, n, show) => {
  const set = (theta, except) => { w.theta = theta; show(except); };
  for (const part of PARTS) {
    byId(part).addEventListener("input", (event) => (
      set(thetaOf({ ...windowOf(w.theta), [part]: Number(event.target.value) }), part)));
  }
  byId("theta").addEventListener("input", ({ target }) => {
    const k = Number(target.id.slice(-1));
    if (target.value === "" || !Number.isFinite(target.valueAsNumber)) return;
    set(w.theta.map((row, i) => row.map((x, j) => (3 * i + j === k ? target.valueAsNumber : x))));
  });
  byId("own").addEventListener("click", () => set(n.theta));
  byId("identity").addEventListener("click", () => set(IDENTITY));
  const choose = (i, j) => {
    [w.row, w.column] = [i, j].map((x, k) => Math.max(0, Math.min(w.size[k] - 1, Math.floor(x) || 0)));
    show();
  };
  byId("warped").addEventListener("click", (event) => {
    const box = event.target.getBoundingClientRect();
    choose(((event.clientY - box.top) / box.height) * w.size[0],
      ((event.clientX - box.left) / box.width) * w.size[1]);
  });
  byId("pixel-i").addEventListener("change", ({ target }) => choose(target.valueAsNumber, w.column));
  byId("pixel-j").addEventListener("change", ({ target }) => choose(w.row, target.valueAsNumber));
};
const startWarp = (n, levels) => {
  const w = makeWarp(n, levels);
  const show = (except) => showWarp(w, levels, except);
  listenToWarp(w, n, show);
  document.addEventListener("languagechosen", () => show());
  show();
  return w;
};
