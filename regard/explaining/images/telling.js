// What a cell says of itself: its formula with the numbers in it.
const words = {
  en: {
    learned: "a learned weight", map: "map", numbers: "numbers", products: "products", mean: "mean",
    weakest: "weakest", strongest: "strongest", before: "before", after: "after", gate: "gate",
    largest: "the largest of", outside: "outside: zero", total: "sum",
    over: (low, high) => `gate over space, from ${low} to ${high}`,
    bright: (c, z, at) => `map ${c}, mean ${z}, brightest ${at}`,
    gated: (c, name, s) => `map ${c} before and after ${name}, gate ${s}`,
    window: (w) => `The sampling grid: turned by ${w.turn}°, ${w.width} wide, ${w.height} high, slant ${w.slant}, moved by ${w.right} and ${w.down}`,
    places: ["at the upper left", "at the top", "at the upper right", "at the left",
      "in the middle", "at the right", "at the lower left", "at the bottom", "at the lower right"],
  },
  zh: {
    learned: "学到的权重", map: "图", numbers: "个数", products: "个乘积", mean: "平均",
    weakest: "最弱", strongest: "最强", before: "之前", after: "之后", gate: "门控",
    largest: "最大者，共", outside: "画面之外：零", total: "合计",
    over: (low, high) => `空间门控，从 ${low} 到 ${high}`,
    bright: (c, z, at) => `图 ${c}，平均 ${z}，${at}最亮`,
    gated: (c, name, s) => `图 ${c} 经 ${name} 之前与之后，门控 ${s}`,
    window: (w) => `采样网格：旋转 ${w.turn}°，宽 ${w.width}，高 ${w.height}，斜切 ${w.slant}，移动 ${w.right} 与 ${w.down}`,
    places: ["左上", "上方", "右上", "左侧", "中间", "右侧", "左下", "下方", "右下"],
  },
};
const word = (name) => (words[document.documentElement.lang] ?? words.en)[name];

// All products where they can be read, else the first of them and how many there are.
const FEW = 16;
const terms = (a, b, count = a.length) => (b.length === count && count <= FEW ? products(a, b)
  : `${products(a.slice(0, Math.min(4, b.length)), b)} + … (${count} ${word("products")})`);
const plus = (x) => (x < 0 ? `− ${shown(-x)}` : `+ ${shown(x)}`);
const sigma = (x, top) => `${top === 1 ? "" : `${top} × `}1 ÷ (1 + e^${inBrackets(-x)})`;
const weightOf = (name, at, x) => `${name}[${at}] = ${shown(x)} (${word("learned")})`;

const hiddenText = (name, z, mlp, steps, k) => {
  const { weight, bias } = mlp.reduce;
  return `${name} = relu(${terms(weight[k], z)} ${plus(bias[k])}) = relu(${shown(steps.before[k])}) = ${shown(steps.hidden[k])}`;
};
const expandText = (name, mlp, hidden, c, out) => {
  const { weight, bias } = mlp.expand;
  return `${name} = ${terms(weight[c], hidden)} ${plus(bias[c])} = ${shown(out)}`;
};
const learnedCells = (mlp) => ({
  reduce: (c, k) => weightOf("W₁", `${k + 1}, ${c + 1}`, mlp.reduce.weight[k][c]),
  expand: (c, k) => (k < Math.min(WIDE, mlp.reduce.weight.length)
    ? weightOf("W₂", `${c + 1}, ${k + 1}`, mlp.expand.weight[c][k])
    : weightOf("b₂", c + 1, mlp.expand.bias[c])),
});

// The three parts of the page on channels; n: its numbers, r: what was computed from them.
const tellSqueeze = (n, r) => (c) => {
  const plane = r.maps.planes[c];
  return `z${sub(c)} = ${shown(sum(plane))} (${plane.length} ${word("numbers")}) ÷ ${plane.length} = ${shown(r.z[c])}`;
};
const tellExcite = (n, r) => ({
  ...learnedCells(n.se),
  hidden: (k, j) => [
    () => `W₁z[${k + 1}] = ${terms(n.se.reduce.weight[k], r.z)} = ${shown(r.se.before[k] - n.se.reduce.bias[k])}`,
    () => weightOf("b₁", k + 1, n.se.reduce.bias[k]),
    () => hiddenText(`h${sub(k)}`, r.z, n.se, r.se, k),
  ][j](),
  gate: (c, j) => (j
    ? `s${sub(c)} = ${sigma(r.se.out[c], n.se.top)} = ${shown(r.se.gate[c])}`
    : expandText(`u${sub(c)}`, n.se, r.se.hidden, c, r.se.out[c])),
});
const tellEfficient = (n, r) => ({
  taps: (_, t) => weightOf("w", t + 1, n.eca.taps[t]),
  gate: (c, j) => {
    const k = n.eca.taps.length;
    if (j < k) return `z[${c + 1 + j - (k - 1) / 2}] = ${shown(r.eca.around[c][j])}`;
    if (j === k) return `u${sub(c)} = ${products(n.eca.taps, r.eca.around[c])} = ${shown(r.eca.out[c])}`;
    return `s${sub(c)} = ${sigma(r.eca.out[c], n.eca.top)} = ${shown(r.eca.gate[c])}`;
  },
});
const tellShared = (n, r) => {
  const of = [["mean", r.cbam.means, r.cbam.a], ["max", r.cbam.most, r.cbam.b]];
  return {
    ...learnedCells(n.cbam),
    statistics: (c, j) => (j
      ? `max${sub(c)} = ${word("largest")} ${r.maps.planes[c].length} ${word("numbers")} = ${shown(r.cbam.most[c])}`
      : tellSqueeze(n, r)(c)),
    hidden: (k, j) => hiddenText(`h${sub(k)}(${of[j][0]})`, of[j][1], n.cbam, of[j][2], k),
    gate: (c, j) => [
      () => expandText(`MLP(mean)${sub(c)}`, n.cbam, r.cbam.a.hidden, c, r.cbam.a.out[c]),
      () => expandText(`MLP(max)${sub(c)}`, n.cbam, r.cbam.b.hidden, c, r.cbam.b.out[c]),
      () => `${shown(r.cbam.a.out[c])} ${plus(r.cbam.b.out[c])} = ${shown(r.cbam.out[c])}`,
      () => `M${sub(c)} = ${sigma(r.cbam.out[c], n.cbam.top)} = ${shown(r.cbam.gate[c])}`,
    ][j](),
  };
};
// Of 98 products the three that count most are written out.
const tellSpace = (n, r) => {
  const { width, planes } = r.maps;
  const gated = (at) => planes.map((plane, c) => [r.cbam.gate[c] * plane[at], c]);
  const name = (i, j) => `[${i + 1}, ${j + 1}]`;
  return {
    max: (i, j) => {
      const [most, c] = gated(i * width + j).reduce((a, b) => (b[0] > a[0] ? b : a));
      const all = r.space.statistics.max[i * width + j];
      if (all - most > 1e-5 * all) return `max${name(i, j)} = ${word("largest")} ${r.z.length} ${word("numbers")} = ${shown(all)}`;
      return `max${name(i, j)} = ${word("map")} ${c + 1}: ${inBrackets(r.cbam.gate[c])}×${shown(planes[c][i * width + j])} = ${shown(most)}`;
    },
    mean: (i, j) => {
      const values = planes.map((plane) => plane[i * width + j]);
      return `mean${name(i, j)} = (${terms(r.cbam.gate, values, r.z.length)}) ÷ ${r.z.length} = ${shown(r.space.statistics.mean[i * width + j])}`;
    },
    gate: (i, j) => {
      const at = i * width + j;
      const all = r.space.parts(at);
      const most = [...all].sort((a, b) => Math.abs(b[0] * b[1]) - Math.abs(a[0] * a[1])).slice(0, 3);
      const text = `${most.map(([w, x]) => `${inBrackets(w)}×${shown(x)}`).join(" + ")} + …`;
      const { factor, shift, top } = n.cbam.spatial;
      const normalised = factor === 1 && shift === 0 ? ""
        : `; ${inBrackets(factor)}×${inBrackets(r.space.before[at])} ${plus(shift)} = ${shown(r.space.logits[at])}`;
      return `${text} (${all.length} ${word("products")}) = ${shown(r.space.before[at])}${normalised}; M${name(i, j)} = ${sigma(r.space.logits[at], top)} = ${shown(r.space.gate[at])}`;
    },
  };
};
