// Measurements as a table. A name's last words tell the unit.

/** @type {[RegExp, (match: RegExpExecArray) => string][]} */
const UNITS = [
  [/mb_per_s$/, () => 'MB/s'],
  [/(?:^|\.)(\w+)_per_s$/, (match) => `${match[1]}/s`],
  [/(?:^|[._])bytes(?:[._]|$)/, () => 'bytes'],
  [/_ms(?:[._]|$)/, () => 'ms'],
  [/_s$/, () => 's'],
];

/** The unit of a measurement by its name, or nothing for a plain count. */
export function unit(name) {
  for (const [pattern, text] of UNITS) {
    const match = pattern.exec(name);
    if (match) return text(match);
  }
  return '';
}

function number(value) {
  const digits = Number.isInteger(value) || Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 10 ? 1 : 3;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Names, values and units in columns. */
export function table(results) {
  const rows = Object.entries(results).map(([name, value]) => [name, number(value), unit(name)]);
  const width = (column) => Math.max(0, ...rows.map((row) => row[column].length));
  const [names, values] = [width(0), width(1)];
  return rows.map(([name, value, unit]) => `   ${name.padEnd(names)}  ${value.padStart(values)} ${unit}`.trimEnd()).join('\n');
}
