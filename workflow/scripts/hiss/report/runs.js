// The table of all runs: sorted, searched and filtered by DataTables. Without this script it is a plain table.
const table = document.getElementById("runs-table");
const form = document.getElementById("runs-filters");
const DataTable = globalThis.DataTable;

// Empty cells come last, whichever way a column of numbers is sorted.
function emptyLast(order) {
  return function (a, b) {
    if (Number.isNaN(a) || Number.isNaN(b)) { return Number.isNaN(a) - Number.isNaN(b); }
    return order * (a - b);
  };
}
DataTable.ext.type.order["measured-pre"] = function (text) { return text === "" ? NaN : Number(text); };
DataTable.ext.type.order["measured-asc"] = emptyLast(1);
DataTable.ext.type.order["measured-desc"] = emptyLast(-1);

const runs = new DataTable(table, {
  autoWidth: false,
  columnDefs: [{targets: "number", type: "measured"}, {targets: [-2, -1], orderable: false}],
  language: {
    search: "Search in all columns:",
    info: "_START_ to _END_ of _TOTAL_ runs",
    infoEmpty: "no run",
    infoFiltered: "(of _MAX_ in all)",
    lengthMenu: "_MENU_ runs a page",
    zeroRecords: "No run has all of these.",
  },
  layout: {topStart: "search", topEnd: "info", bottomStart: "pageLength", bottomEnd: "paging"},
  lengthMenu: [25, 100, {label: "all", value: -1}],
  order: [],
  orderMulti: true,
  pageLength: 25,
});

form.hidden = false;
form.addEventListener("submit", function (event) { event.preventDefault(); });
form.addEventListener("change", function (event) {
  const chosen = event.target;
  const column = runs.column(Number(chosen.dataset.column));
  if (chosen.value === "") { column.search(""); } else { column.search(chosen.value, {exact: true}); }
  runs.draw();
});
form.querySelector("button").addEventListener("click", function () {
  form.reset();
  runs.search("");
  runs.columns().search("");
  runs.order([]).draw();
});

// On paper all runs that are left stand below each other.
let length = runs.page.len();
window.addEventListener("beforeprint", function () { length = runs.page.len(); runs.page.len(-1).draw(); });
window.addEventListener("afterprint", function () { runs.page.len(length).draw(); });
