// Planes of numbers on a canvas: in viridis, in grey or in colour, and on top of each other.
const rgb = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;
const share = (x, low, high) => (high > low ? (x - low) / (high - low) : 0.5);
const fillPixels = (canvas, { height, width }, colour) => {
  Object.assign(canvas, { width, height });
  const drawing = canvas.getContext("2d");
  const pixels = drawing.createImageData(width, height);
  for (let n = 0; n < height * width; n += 1) pixels.data.set([...colour(n), 255], 4 * n);
  drawing.putImageData(pixels, 0, 0);
  return canvas;
};
const drawPlane = (canvas, plane, frame, low, high) => (
  fillPixels(canvas, frame, (n) => viridis(share(plane[n], low, high))));
// levels: for each channel the numbers of black and of full brightness.
const drawPicture = (canvas, picture, levels) => fillPixels(canvas, picture, (n) => {
  const shades = picture.planes.map((plane, c) => (
    Math.round(255 * Math.max(0, Math.min(1, share(plane[n], ...levels[c]))))));
  return shades.length === 3 ? shades : [shades[0], shades[0], shades[0]];
});

const drawOver = (canvas, under, over, strength) => {
  Object.assign(canvas, { width: 256, height: Math.round((256 * under.height) / under.width) });
  const drawing = canvas.getContext("2d");
  drawing.imageSmoothingEnabled = false;
  drawing.drawImage(under, 0, 0, canvas.width, canvas.height);
  drawing.globalAlpha = strength;
  drawing.drawImage(over, 0, 0, canvas.width, canvas.height);
};

// The picture with room around it, the grid that is sampled, and one point of it.
const ROOM = 0.3; // of the picture, on each side
const drawGrid = (canvas, picture, size, sourceAt, chosen) => {
  const zoom = 256 / picture.width;
  const inner = [256, zoom * picture.height];
  Object.assign(canvas, { width: 256 * (1 + 2 * ROOM), height: inner[1] * (1 + 2 * ROOM) });
  const drawing = canvas.getContext("2d");
  drawing.imageSmoothingEnabled = false;
  drawing.translate(ROOM * inner[0], ROOM * inner[1]);
  drawing.drawImage(picture.canvas, 0, 0, ...inner);
  drawing.strokeStyle = "#888";
  drawing.strokeRect(0, 0, ...inner);
  const point = ({ column, row }) => [(column + 0.5) * zoom, (row + 0.5) * zoom];
  const stroke = (points, width) => {
    for (const [colour, extra] of [["#fff", 2], ["#d55e00", 0]]) {
      Object.assign(drawing, { strokeStyle: colour, lineWidth: width + extra });
      drawing.beginPath();
      points.forEach((p, n) => drawing[n ? "lineTo" : "moveTo"](...point(p)));
      drawing.stroke();
    }
  };
  const lines = (n) => Array.from({ length: 9 }, (_, k) => (k * (n - 1)) / 8);
  const [rows, columns] = size.map(lines);
  rows.forEach((i, k) => stroke([sourceAt(i, 0), sourceAt(i, size[1] - 1)], k % 8 ? 0.6 : 2));
  columns.forEach((j, k) => stroke([sourceAt(0, j), sourceAt(size[0] - 1, j)], k % 8 ? 0.6 : 2));
  const dot_ = (p, radius, colour) => {
    Object.assign(drawing, { fillStyle: colour, strokeStyle: "#fff", lineWidth: 2 });
    drawing.beginPath();
    drawing.arc(...point(p), radius, 0, 7);
    drawing.fill();
    drawing.stroke();
  };
  dot_(sourceAt(0, 0), 6, "#d55e00");
  drawing.strokeStyle = "#56b4e9";
  drawing.lineWidth = 2;
  drawing.strokeRect(Math.floor(chosen.column) * zoom, Math.floor(chosen.row) * zoom, 2 * zoom, 2 * zoom);
  dot_(chosen, 4, "#0072b2");
};

// Where a map is brightest, in words.
const brightest = (plane, { height, width }) => {
  const n = plane.indexOf(largest(plane));
  const third = (at, size) => Math.min(2, Math.floor((3 * at) / size));
  return word("places")[3 * third(Math.floor(n / width), height) + third(n % width, width)];
};
