"use strict";
// What the page computes, without the page: pure functions of the arrays that it carries.
//
// A head has n items, sorted in no particular order: truth[i], best[i], second[i] (indices of classes: the
// true one, those with the highest and the second highest score; NONE where there is none) and
// scores[c][i], whole ten-thousandths, cut and never rounded up. classes are those that have scores, then
// those that only the truth knows. A threshold t is a whole number of ten-thousandths.

const SCALE = 10000;
const NONE = 65535;

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// zlib-compressed little-endian 16-bit numbers in base64 → Uint16Array
async function unpack(base64) {
  const stream = new Blob([bytesOf(base64)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const view = new DataView(await new Response(stream).arrayBuffer());
  const numbers = new Uint16Array(view.byteLength / 2);
  for (let i = 0; i < numbers.length; i++) numbers[i] = view.getUint16(2 * i, true);
  return numbers;
}

async function unpackHead(head) {
  const scores = await unpack(head.scores);
  const columns = [];
  for (let c = 0; c < head.scored; c++) columns.push(scores.subarray(c * head.n, (c + 1) * head.n));
  return {
    ...head,
    truth: await unpack(head.truth),
    best: await unpack(head.best),
    second: await unpack(head.second),
    scores: columns,
  };
}

// Items by true class (row) and class said (column; the last: none), row after row.
// Without a class: the highest score is said if it reaches t. With one: that class is said wherever its
// score reaches t, else the highest of the others.
function matrixAt(head, chosen, t) {
  const size = head.classes.length;
  const matrix = new Int32Array(size * (size + 1));
  for (let i = 0; i < head.n; i++) {
    let said = head.best[i];
    if (chosen === null) {
      if (said !== NONE && head.scores[said][i] < t) said = NONE;
    } else if (head.scores[chosen][i] >= t) {
      said = chosen;
    } else if (said === chosen) {
      said = head.second[i];
    }
    matrix[head.truth[i] * (size + 1) + (said === NONE ? size : said)]++;
  }
  return matrix;
}

function countsOf(matrix, size, c) {
  let flagged = 0, positives = 0, items = 0;
  for (let row = 0; row < size; row++) flagged += matrix[row * (size + 1) + c];
  for (let column = 0; column <= size; column++) positives += matrix[c * (size + 1) + column];
  for (let cell = 0; cell < matrix.length; cell++) items += matrix[cell];
  const tp = matrix[c * (size + 1) + c];
  return { tp, fp: flagged - tp, fn: positives - tp, tn: items - flagged - positives + tp };
}

// null is a value that is not defined; it is never 0
function ratio(part, whole) {
  return whole === 0 ? null : part / whole;
}

function measuresOf({ tp, fp, fn, tn }) {
  const recall = ratio(tp, tp + fn);
  const trueNegativeRate = ratio(tn, tn + fp);
  return {
    precision: ratio(tp, tp + fp),
    recall,
    f1: ratio(2 * tp, 2 * tp + fp + fn),
    balanced_accuracy:
      recall === null || trueNegativeRate === null ? null : (recall + trueNegativeRate) / 2,
    false_positive_rate: ratio(fp, fp + tn),
  };
}

function meanOfDefined(values) {
  const defined = values.filter((value) => value !== null);
  return defined.length === 0 ? null : defined.reduce((sum, value) => sum + value, 0) / defined.length;
}

// Means over the classes; the balanced accuracy is the mean of the recalls of the classes that have items.
function overallOf(matrix, size) {
  const classes = [];
  let hits = 0, items = 0;
  for (let c = 0; c < size; c++) {
    classes.push(measuresOf(countsOf(matrix, size, c)));
    hits += matrix[c * (size + 1) + c];
  }
  for (let cell = 0; cell < matrix.length; cell++) items += matrix[cell];
  const mean = (name) => meanOfDefined(classes.map((measures) => measures[name]));
  return {
    classes,
    precision: mean("precision"),
    recall: mean("recall"),
    f1: mean("f1"),
    balanced_accuracy: mean("recall"),
    false_positive_rate: mean("false_positive_rate"),
    accuracy: ratio(hits, items),
  };
}

// One class against all others at every threshold that flags other items than the one above it, descending.
function classCurve(head, c) {
  const positive = new Int32Array(SCALE + 1);
  const negative = new Int32Array(SCALE + 1);
  let positives = 0;
  for (let i = 0; i < head.n; i++) {
    const own = head.truth[i] === c;
    (own ? positive : negative)[head.scores[c][i]]++;
    positives += own ? 1 : 0;
  }
  const points = [];
  let tp = 0, fp = 0;
  for (let t = SCALE; t >= 0; t--) {
    if (positive[t] + negative[t] === 0) continue;
    tp += positive[t];
    fp += negative[t];
    points.push({ t, ...measuresOf({ tp, fp, fn: positives - tp, tn: head.n - positives - fp }) });
  }
  return points;
}

// Means over the classes where the highest score must reach a threshold, at each hundredth, descending.
function headCurve(head) {
  const points = [];
  for (let t = SCALE; t >= 0; t -= SCALE / 100) {
    const { precision, recall, false_positive_rate } = overallOf(
      matrixAt(head, null, t), head.classes.length);
    points.push({ t, precision, recall, false_positive_rate });
  }
  return points;
}

// Points that lie closer than a five-hundredth to the one before are left out; the last one stays.
function thinned(points, x, y) {
  const defined = points.filter((point) => point[x] !== null && point[y] !== null);
  const kept = [];
  defined.forEach((point, i) => {
    const before = kept[kept.length - 1];
    if (before === undefined || i === defined.length - 1
        || Math.abs(point[x] - before[x]) + Math.abs(point[y] - before[y]) >= 0.002) kept.push(point);
  });
  return kept;
}

if (typeof module !== "undefined") {
  module.exports = {
    unpackHead, matrixAt, countsOf, measuresOf, overallOf, classCurve, headCurve, thinned, meanOfDefined,
  };
}
