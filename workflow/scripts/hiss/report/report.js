"use strict";
window.addEventListener("beforeprint", function () {
  document.querySelectorAll("details").forEach(function (folded) { folded.open = true; });
});
(function () {
  const table = document.getElementById("runs-table");
  if (!table) { return; }
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  const rows = Array.from(body.rows);
  const filter = document.getElementById("runs-filter");
  const count = document.getElementById("runs-count");

  function valueOf(row, column) {
    const cell = row.cells[column];
    const text = cell.dataset.value !== undefined ? cell.dataset.value : cell.textContent.trim();
    const number = Number(text);
    return text !== "" && Number.isFinite(number) ? number : text;
  }

  function compare(a, b) {
    if (a === "" || b === "") { return (a === "") - (b === ""); }
    if (typeof a === "number" && typeof b === "number") { return a - b; }
    return String(a).localeCompare(String(b));
  }

  heads.forEach(function (head, column) {
    head.querySelector("button").addEventListener("click", function () {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(function (other) { other.setAttribute("aria-sort", "none"); });
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = rows.map(function (row) { return [valueOf(row, column), row]; });
      keyed.sort(function (one, two) {
        const order = compare(one[0], two[0]);
        return one[0] === "" || two[0] === "" || !down ? order : -order;
      });
      keyed.forEach(function (pair) { body.appendChild(pair[1]); });
    });
  });

  filter.addEventListener("input", function () {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach(function (row) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(function (word) { return text.includes(word); });
      shown += row.hidden ? 0 : 1;
    });
    count.textContent = shown + (shown === 1 ? " run" : " runs");
  });
}());
