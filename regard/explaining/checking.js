// Numbers as PyTorch gave them, and how far off what is computed here is.
const floats = (data) => (
  new Float32Array(Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)).buffer));
const readMatrix = ({ data, shape: [rows, columns] }) => {
  const all = Array.from(floats(data));
  return Array.from({ length: rows }, (_, i) => all.slice(i * columns, (i + 1) * columns));
};
const tally = () => {
  const found = { count: 0, worst: 0 };
  const compare = (here, there) => {
    found.count += there.length;
    there.forEach((x, i) => { found.worst = Math.max(found.worst, Math.abs(x - here[i])); });
  };
  return { compare, found };
};
const showCheck = ({ worst, ...counts }) => {
  for (const [name, text] of Object.entries({ ...counts, worst: worst.toExponential(1) })) {
    for (const spot of document.querySelectorAll(`.check-${name}`)) spot.textContent = text;
  }
  byId("check").dataset.worst = worst;
  byId("check").hidden = false;
};
