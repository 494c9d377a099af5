// What a cell says of itself: row, column, and its formula with the numbers in it.
const added = (biases, j) => (biases ? ` + ${inBrackets(biases[j])}` : "");
// Small ones have four digits too, for shares are made of them.
const power = (x) => {
  if (x === 0) return "0";
  return x >= 1e6 ? x.toExponential(2) : x < 1 ? x.toPrecision(4) : x.toFixed(DIGITS);
};
const column = (matrix, j) => matrix.map((row) => row[j]);
const words = {
  en: {
    learned: "a learned weight", masked: "masked: a later token, so −∞ and weight 0",
    head: "head", place: "embedding + position", none: "embedding alone", token: "token",
    entering: "what enters the layer", from: "what the decoder knows there", memory: "what the encoder says of it",
    hint: "Point at a cell: its sum is written out here.",
  },
  zh: {
    learned: "学到的权重", masked: "被遮住：在后面的词元，取 −∞，权重为 0",
    head: "头", place: "词嵌入 + 位置", none: "只有词嵌入", token: "词元",
    entering: "进入该层的向量", from: "解码器此处的向量", memory: "编码器给出的向量",
    hint: "把指针停在格子上：这里写出它的算式。",
  },
};
const word = (name) => (words[document.documentElement.lang] ?? words.en)[name];

// One of these for each grid. s is the state of the page: names, numbers, setting and one head.
const formulas = (s) => ({
  x: (i, j) => {
    const value = s.all.keys[i][j];
    const where = `X[${s.keys[i]}, ${j + 1}]`;
    if (s.cross) return `${where} = ${shown(value)} (${word("memory")})`;
    if (!s.numbers.plain) return `${where} = ${shown(value)} (${word("entering")})`;
    if (!s.setting.positions) return `${where} = ${shown(value)} (${word("none")})`;
    const plain = s.numbers.inputs.off.keys[i][j];
    return `${where} = ${shown(plain)} + ${inBrackets(value - plain)} = ${shown(value)} (${word("place")})`;
  },
  from: (i, j) => `Y[${s.queries[i]}, ${j + 1}] = ${shown(s.all.queries[i][j])} (${word("from")})`,
  weight: (name, part) => (i, j) => (
    `${name}[${i + 1}, ${j + 1}] = ${shown(s.slice(part)[i][j])} (${word("learned")})`),
  projected: (name, part, source, names) => (i, j) => {
    const [row, weights] = [s.all[source][i], column(s.slice(part), j)];
    const bias = added(s.numbers.biases[part], s.index * s.all.width + j);
    const value = s.head[part[0]][i][j];
    return `${name}[${s[names][i]}, ${j + 1}] = ${products(row, weights)}${bias} = ${shown(value)}`;
  },
  scores: (i, j) => {
    const { q, k, scores } = s.head;
    const start = `S[${s.queries[i]} → ${s.keys[j]}] = `;
    const end = ` = ${shown(scores[i][j])}`;
    const learned = s.all.learned(s.index);
    if (s.setting.score === "cosine") {
      const lengths = `${shown(Math.hypot(...q[i]))} × ${shown(Math.hypot(...k[j]))}`;
      return `${start}${shown(learned)} × (${products(q[i], k[j])}) ÷ (${lengths})${end}`;
    }
    if (s.setting.score === "additive") {
      const terms = additiveTerms(q[i], k[j], learned).map(([w, , a, b]) => (
        `${inBrackets(w)}×tanh(${inBrackets(a)} + ${inBrackets(b)})`));
      return `${start}${terms.join(" + ")}${end}`;
    }
    return `${start}q${sub(i)}·k${sub(j)} = ${products(q[i], k[j])}${end}`;
  },
  logits: (i, j) => {
    const { scores, logits, divisor } = s.head;
    const start = `R[${s.queries[i]} → ${s.keys[j]}]`;
    if (logits[i][j] === -Infinity) return `${start} = −∞ (${word("masked")})`;
    const below = Number.isInteger(divisor) ? divisor : shown(divisor);
    if (divisor === 1) return `${start} = ${shown(logits[i][j])}`;
    return `${start} = ${shown(scores[i][j])} ÷ ${below} = ${shown(logits[i][j])}`;
  },
  weights: (i, j) => {
    const row = s.head.logits[i];
    const t = s.setting.temperature;
    const e = (x) => (t === 1 ? `e^${inBrackets(x)}` : `e^(${shown(x)}÷${t})`);
    const reached = row.filter((x) => x !== -Infinity);
    const below = reached.length <= 8 ? reached.map(e).join(" + ")
      : `${reached.slice(0, 3).map(e).join(" + ")} + … (${reached.length})`;
    const start = `A[${s.queries[i]} → ${s.keys[j]}]`;
    if (row[j] === -Infinity) return `${start} = 0 (${word("masked")})`;
    return `${start} = ${e(row[j])} ÷ (${below}) = ${shown(s.head.weights[i][j])}`;
  },
  z: (i, j) => {
    const [row, values] = [s.head.weights[i], column(s.head.v, j)];
    return `Z[${s.queries[i]}, ${j + 1}] = ${products(row, values)} = ${shown(dot(row, values))}`;
  },
  joined: (i, j) => {
    const [head, at] = [Math.floor(j / s.all.width), j % s.all.width];
    return `[${s.queries[i]}, ${j + 1}] = Z[${s.queries[i]}, ${at + 1}], ${word("head")} ${head + 1}`
      + ` = ${shown(s.all.joined[i][j])}`;
  },
  output: (i, j) => `W^O[${i + 1}, ${j + 1}] = ${shown(s.numbers.weights.output[i][j])} (${word("learned")})`,
  out: (i, j) => {
    const [row, weights] = [s.all.joined[i], column(s.numbers.weights.output, j)];
    const bias = added(s.numbers.biases.output, j);
    return `O[${s.queries[i]}, ${j + 1}] = ${products(row, weights)}${bias} = ${shown(s.all.out[i][j])}`;
  },
});
