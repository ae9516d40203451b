"use strict";

// A click on a heading sorts its table by that column, by data-value where there is one.
function cellValue(row, column) {
  const cell = row.cells[column];
  const value = cell.dataset.value ?? cell.textContent.trim();
  const number = Number(value);
  return value !== "" && !Number.isNaN(number) ? number : value;
}

function compare(a, b) {
  if (a === "" || b === "") return (a === "") - (b === "");
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}

function sortBy(table, heading) {
  const column = heading.cellIndex;
  const down = heading.getAttribute("aria-sort") === "ascending";
  for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => {
    const [x, y] = [cellValue(a, column), cellValue(b, column)];
    const missing = x === "" || y === "";  // what is missing stays at the end either way
    return compare(x, y) * (down && !missing ? -1 : 1);
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sortBy(table, heading));
    heading.append(button);
  }
}

const filter = document.querySelector("form.filter");
if (filter) {
  const items = [...document.querySelectorAll("details.failure")];
  const texts = items.map((item) => item.textContent.toLowerCase());
  const apply = () => {
    const words = filter.elements.text.value.toLowerCase().trim();
    const kind = filter.elements.kind.value;
    const fault = filter.elements.fault.value;
    let shown = 0;
    items.forEach((item, place) => {
      const fits = texts[place].includes(words)
        && (kind === "" || item.dataset.kind === kind)
        && (fault === "" || item.dataset.faults.split("|").includes(fault));
      item.hidden = !fits;
      shown += fits;
    });
    filter.elements.count.value = `${shown} shown`;
  };
  filter.addEventListener("input", apply);
  filter.addEventListener("submit", (event) => event.preventDefault());
}
