// The sections on channel attention and CBAM. n: the numbers of the page, r: what follows of them.
const range = (length) => Array.from({ length }, (_, i) => i + 1);
const lined = (rows) => rows.map((x) => [x]);
const zipped = (...columns) => columns[0].map((_, i) => columns.map((numbers) => numbers[i]));
const transposed = (matrix) => matrix[0].map((_, j) => matrix.map((row) => row[j]));

const fillGrid = (id, name, [rows, columns], say, matrix, options = {}) => {
  const label = () => `${name}: ${rows.length} × ${columns.length}`;
  const dense = columns.length > ROOMY;
  makeGrid(byId(`grid-${id}`), { label, rows, columns, say, dense, ...options })(matrix);
};
const WIDE = 64; // hidden units that are shown
// The two layers, which SE and the channel half of CBAM have both.
const fillLayers = (id, mlp, channels, say) => {
  const units = mlp.reduce.weight.slice(0, WIDE).map((_, k) => `h${sub(k)}`);
  const names = [channels, [...units, "b₂"]];
  const expand = mlp.expand.weight.map((row, c) => [...row.slice(0, WIDE), mlp.expand.bias[c]]);
  fillGrid(`${id}-reduce`, "W₁ᵀ", [channels, units], say.reduce, transposed(mlp.reduce.weight));
  fillGrid(`${id}-expand`, "W₂, b₂", names, say.expand, expand);
  return units;
};

const fillSqueezeExcite = (n, r) => {
  const channels = range(r.shown);
  const say = tellExcite(n, r);
  fillGrid("z", "z", [channels, ["z"]], tellSqueeze(n, r), lined(r.z));
  const units = fillLayers("se", n.se, channels, say);
  const { bias } = n.se.reduce;
  const hidden = zipped(r.se.before.map((x, k) => x - bias[k]), bias, r.se.hidden);
  fillGrid("se-hidden", "h", [units, ["W₁z", "b₁", "h"]], say.hidden, hidden);
  fillGrid("se-gate", "s", [channels, ["u", "s"]], say.gate, zipped(r.se.out, r.se.gate));
};
const fillEfficient = (n, r) => {
  const say = tellEfficient(n, r);
  const half = (n.eca.taps.length - 1) / 2;
  const names = n.eca.taps.map((_, t) => (t === half ? "c" : `c${t < half ? "−" : "+"}${Math.abs(t - half)}`));
  fillGrid("eca-taps", "w", [["w"], names], say.taps, [n.eca.taps]);
  const matrix = r.eca.around.map((some, c) => [...some, r.eca.out[c], r.eca.gate[c]]);
  fillGrid("eca-gate", "ECA", [range(r.shown), [...names.map((x) => `z ${x}`), "u", "s"]],
    say.gate, matrix);
};
const fillShared = (n, r) => {
  const channels = range(r.shown);
  const say = tellShared(n, r);
  const { means, most, a, b, out, gate } = r.cbam;
  fillGrid("statistics", "mean, max", [channels, ["mean", "max"]], say.statistics, zipped(means, most));
  const units = fillLayers("cbam", n.cbam, channels, say);
  fillGrid("cbam-hidden", "h", [units, ["mean", "max"]], say.hidden, zipped(a.hidden, b.hidden));
  fillGrid("cbam-gate", "M_c", [channels, ["MLP(mean)", "MLP(max)", "+", "M"]], say.gate,
    zipped(a.out, b.out, out, gate));
};

// Planes as grids in viridis: a cell tells how it came about. Large ones are pictures alone.
const MOST_CELLS = 40 * 40;
const fillPlane = (id, name, frame, plane, say) => {
  if (plane.length > MOST_CELLS) {
    const canvas = make("canvas", { class: "plane", role: "img", "aria-label": name });
    byId(`grid-${id}`).replaceChildren(drawPlane(canvas, plane, frame, least(plane), largest(plane)));
    return;
  }
  const rows = range(frame.height).map((_, i) => Array.from(
    plane.slice(i * frame.width, (i + 1) * frame.width)));
  const ends = [least(plane), largest(plane)];
  const colour = (cell, x) => { cell.style.background = rgb(viridis(share(x, ...ends))); };
  fillGrid(id, name, [range(frame.height), range(frame.width)], say, rows, { dense: true, colour });
};
const fillSpace = (n, r) => {
  const say = tellSpace(n, r);
  const { statistics, gate } = r.space;
  const { kernels, order } = n.cbam.spatial;
  fillPlane("space-max", "max", r.maps, statistics.max, say.max);
  fillPlane("space-mean", "mean", r.maps, statistics.mean, say.mean);
  fillPlane("space-gate", "M_s", r.maps, gate, say.gate);
  order.forEach((name, s) => {
    const kernel = kernels[s];
    const told = (i, j) => weightOf(`w(${name})`, `${i + 1}, ${j + 1}`, kernel[i][j]);
    const cells = range(kernel.length);
    fillGrid(`kernel-${name}`, `${kernel.length} × ${kernel.length}, ${name}`, [cells, cells], told, kernel);
  });
};
