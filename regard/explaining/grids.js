// Matrices as tables: colours, numbers, and the arrow keys from cell to cell.
const DIGITS = 3;
const ROOMY = 12; // columns and rows that leave room for numbers in the cells
const CROWD = 40; // columns too narrow for two digits
const FLAT = /^(?:[ -~]{1,2}|.)$/u; // a name as narrow as a cell
const shown = (x) => (
  x === -Infinity ? "−∞" : (Math.abs(x) < 0.0005 ? 0 : x).toFixed(DIGITS).replace("-", "−"));
const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};

// Blue below zero, vermilion above: pale enough for the number on it, full where there is none.
const paint = (cell, x, most, dense) => {
  const part = Number.isFinite(x) ? Math.min(1, Math.abs(x) / (most || 1)) : 0;
  cell.style.setProperty("--part", `${Math.round(part * (dense ? 100 : 48))}%`);
  cell.className = x < 0 ? "below" : "above";
  if (x === -Infinity) cell.className = "masked";
};

const moves = {
  ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
  Home: [0, -Infinity], End: [0, Infinity],
};
const step = (cells, from, [down, right]) => {
  const within = (x, length) => Math.max(0, Math.min(length - 1, x));
  const i = within(from.i + down, cells.length);
  return cells[i][within(from.j + right, cells[i].length)];
};

// The cell that tells its formula is marked.
const tell = (text, cell) => {
  byIdText("readout-text", text);
  document.querySelector(".told")?.classList.remove("told");
  cell.classList.add("told");
};

// A grid is made once and filled whenever a switch changes the numbers.
// rows, columns: names; say(i, j): the cell's formula with numbers; dense: colours without
// numbers; colour: another one than blue and vermilion.
const makeGrid = (place, { label, rows, columns, say, dense: asked, colour = paint }) => {
  const dense = asked ?? (rows.length > ROOMY || columns.length > ROOMY);
  const flat = columns.length <= CROWD && columns.every((name) => FLAT.test(name));
  const turned = flat ? "" : " turned";
  const many = columns.length > ROOMY ? " many" : "";
  const table = make("table", { role: "grid", class: dense ? `grid dense${turned}${many}` : "grid" });
  table.style.setProperty("--count", columns.length);
  const label_ = (text) => table.setAttribute("aria-label", text);
  const head = make("tr", {}, make("td"), ...columns.map((name) => (
    make("th", { scope: "col", title: name }, make("span", {}, name)))));
  const cells = rows.map((_, i) => columns.map((_, j) => (
    make("td", { role: "gridcell", tabindex: i + j ? -1 : 0, "data-i": i, "data-j": j }))));
  const body = make("tbody", {}, ...rows.map((name, i) => (
    make("tr", {}, make("th", { scope: "row", title: name }, make("span", {}, name)), ...cells[i]))));
  table.append(make("thead", {}, head), body);
  const cellOf = (event) => event.target.closest("[data-i]");
  const at = (cell) => ({ i: Number(cell.dataset.i), j: Number(cell.dataset.j) });
  const speak = (event) => {
    const cell = cellOf(event);
    if (!cell) return;
    const { i, j } = at(cell);
    tell(say(i, j), cell);
  };
  table.addEventListener("pointerover", speak);
  table.addEventListener("focusin", (event) => {
    const cell = cellOf(event);
    table.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    cell?.setAttribute("tabindex", "0");
    speak(event);
  });
  table.addEventListener("click", (event) => cellOf(event)?.focus());
  table.addEventListener("keydown", (event) => {
    const cell = cellOf(event);
    if (!cell || !moves[event.key]) return;
    event.preventDefault();
    step(cells, at(cell), moves[event.key]).focus();
  });
  label_(label());
  document.addEventListener("languagechosen", () => label_(label()));
  place.replaceChildren(make("div", { class: "scroll" }, table));
  return (matrix, most) => {
    const largest = (dense ? null : most)
      ?? Math.max(...matrix.map((row) => Math.max(...row.map((x) => (x === -Infinity ? 0 : Math.abs(x))))));
    cells.forEach((row, i) => row.forEach((cell, j) => {
      const x = matrix[i][j];
      colour(cell, x, largest, dense);
      if (dense) cell.setAttribute("aria-label", shown(x));
      else cell.textContent = shown(x);
    }));
  };
};
