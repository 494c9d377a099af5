// The grid and the sampler of the Spatial Transformer. Coordinates run from −1 to 1 between the
// centres of the corner pixels, as in PyTorch with align_corners=True; outside is zero.
const unit = (index, size) => (size > 1 ? (2 * index) / (size - 1) - 1 : 0);
const place = (coordinate, size) => ((coordinate + 1) * (size - 1)) / 2;

const sourceOf = (theta, [x, y], { height, width }) => {
  const [xs, ys] = theta.map(([a, b, c]) => a * x + b * y + c);
  return { x, y, xs, ys, column: place(xs, width), row: place(ys, height) };
};
const outputPlace = (i, j, [height, width]) => [unit(j, width), unit(i, height)];

// The four pixels around a place, each with its value in every channel and its weight.
const fourAround = (picture, { row, column }) => {
  const [top, left] = [Math.floor(row), Math.floor(column)];
  const [down, right] = [row - top, column - left];
  return [[0, 0], [0, 1], [1, 0], [1, 1]].map(([a, b]) => {
    const [i, j] = [top + a, left + b];
    const inside = i >= 0 && j >= 0 && i < picture.height && j < picture.width;
    const values = picture.planes.map((plane) => (inside ? plane[i * picture.width + j] : 0));
    return { i, j, inside, values, weight: (a ? down : 1 - down) * (b ? right : 1 - right) };
  });
};
const sampleAt = (picture, source) => {
  const four = fourAround(picture, source);
  return picture.planes.map((_, c) => sum(four.map(({ values, weight }) => values[c] * weight)));
};
// step: all rows and columns, or every so many.
const warped = (picture, theta, size, step = 1) => {
  const [height, width] = size.map((n) => Math.ceil(n / step));
  const planes = picture.planes.map(() => new Float64Array(height * width));
  for (let i = 0; i < height; i += 1) {
    for (let j = 0; j < width; j += 1) {
      const at = outputPlace(i * step, j * step, size);
      sampleAt(picture, sourceOf(theta, at, picture)).forEach((x, c) => { planes[c][i * width + j] = x; });
    }
  }
  return { height, width, planes };
};

// θ as a window on the picture: turned, so wide and high, slanted, and where its middle lies.
const windowOf = ([[a, b, x], [c, d, y]]) => {
  const turn = Math.atan2(c, a);
  const [cosine, sine] = [Math.cos(turn), Math.sin(turn)];
  return {
    turn: (turn * 180) / Math.PI, width: Math.hypot(a, c), slant: cosine * b + sine * d,
    height: cosine * d - sine * b, right: x, down: y,
  };
};
const thetaOf = ({ turn, width, height, slant, right, down }) => {
  const [cosine, sine] = [Math.cos((turn * Math.PI) / 180), Math.sin((turn * Math.PI) / 180)];
  return [
    [cosine * width, cosine * slant - sine * height, right],
    [sine * width, sine * slant + cosine * height, down],
  ];
};
