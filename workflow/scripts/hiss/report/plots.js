"use strict";
// The interactive plots. Their data lie beside them as JSON; without this script the figures that stand still remain.
(function () {
  const FONT = {family: "'DejaVu Sans', Verdana, 'Liberation Sans', Arial, sans-serif", size: 12, color: "#1b1f24"};
  const CONFIG = {
    displaylogo: false,
    showSendToCloud: false,  // plotly's own choice is to offer an upload
    plotlyServerURL: "",
    responsive: true,
    modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
    toImageButtonOptions: {format: "svg"},
  };
  const SFR = "log SFR [M<sub>☉</sub> yr<sup>−1</sup>]";

  function escaped(text) { return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;"); }

  function axis(title, more) {
    return Object.assign({
      title: {text: title}, gridcolor: "#dddddd", linecolor: "#1b1f24", ticks: "outside", zeroline: false, automargin: true,
    }, more);
  }

  function layout(x, y) {
    return {
      font: FONT, xaxis: x, yaxis: y, showlegend: false, hovermode: "closest", dragmode: "zoom",
      paper_bgcolor: "#fff", plot_bgcolor: "#fff", margin: {l: 60, r: 12, t: 34, b: 52},
      hoverlabel: {align: "left", font: {family: FONT.family, size: 12}},
    };
  }

  function said(value, digits, unit) {
    return value === null ? "unknown" : value.toFixed(digits).replace("-", "−") + (unit || "");
  }

  function amount(value, unit) {
    if (value === null) { return "unknown"; }
    const digits = value >= 100 ? 0 : value >= 1 ? 1 : 4;
    return value.toLocaleString("en", {maximumFractionDigits: digits}) + " " + unit;
  }

  function follow(link) {
    if (link.startsWith("#")) { location.hash = link; } else if (link) { window.open(link, "_blank", "noopener"); }
  }

  function parts(name) {
    const data = document.getElementById(name + "-data");
    const figure = document.getElementById("plot-" + name);
    return data && {data: JSON.parse(data.textContent), figure: figure, area: figure.querySelector(".plot-area")};
  }

  function show(plot) {
    plot.figure.hidden = false;
    const still = document.getElementById(plot.figure.dataset.still + "-still");
    if (still) { still.open = false; }
  }

  function listen(plot, linkOf) {
    plot.area.on("plotly_click", function (event) { follow(linkOf(event.points[0])); });
    plot.area.on("plotly_hover", function (event) {
      plot.area.classList.toggle("leads", linkOf(event.points[0]) !== "");
    });
    plot.area.on("plotly_unhover", function () { plot.area.classList.remove("leads"); });
  }

  // ---- accuracy against cost ----

  function drawPareto(plot) {
    const data = plot.data;
    const form = plot.figure.querySelector("form");
    const status = plot.figure.querySelector("[role=status]");

    function ticked(name) {
      return new Set(Array.from(form.querySelectorAll("input[name=" + name + "]:checked"), function (box) { return box.value; }));
    }

    function points() {
      const panel = data.panels[Number(form.elements.panel.value)];
      const cost = form.elements.cost.value;
      const wanted = {model: ticked("model"), modality: ticked("modality"), zoom: ticked("zoom")};
      const found = [];
      panel.rmse.forEach(function (rmse, i) {
        const known = rmse !== null && panel[cost][i] > 0;
        if (known && ["model", "modality", "zoom"].every(function (name) { return wanted[name].has(panel[name][i]); })) {
          found.push(i);
        }
      });
      return {panel: panel, cost: cost, rows: found};
    }

    function front(shown) {
      const x = shown.panel[shown.cost], y = shown.panel.rmse;
      const best = [];
      shown.rows.slice().sort(function (a, b) { return x[a] - x[b] || y[a] - y[b]; }).forEach(function (i) {
        if (!best.length || y[i] < y[best[best.length - 1]]) { best.push(i); }
      });
      return best;
    }

    function words(panel, i) {
      return "<b>" + escaped(data.models[panel.model[i]].label + ", " + data.modalities[panel.modality[i]].label) +
        ", zoom " + panel.zoom[i] + "</b><br>" + escaped(panel.settings[i]) +
        "<br>validation RMSE " + said(panel.rmse[i], 3, " dex") + ", R² " + said(panel.r2[i], 3) +
        "<br>fit " + amount(panel.fit_s[i], "s") + ", prediction " + amount(panel.predict_us[i], "µs/object") +
        "<br>peak memory " + amount(panel.memory_mb[i], "MB");
    }

    function traces(shown) {
      const panel = shown.panel, byModel = new Map();
      shown.rows.forEach(function (i) {
        if (!byModel.has(panel.model[i])) { byModel.set(panel.model[i], []); }
        byModel.get(panel.model[i]).push(i);
      });
      const best = front(shown);
      const line = {
        type: "scatter", mode: "lines", hoverinfo: "skip", line: {shape: "hv", color: "#777777", width: 1.5},
        x: best.map(function (i) { return panel[shown.cost][i]; }), y: best.map(function (i) { return panel.rmse[i]; }),
      };
      const dots = Array.from(byModel, function (pair) {
        const rows = pair[1], thin = data.models[pair[0]].symbol === "line-ew";
        const colours = rows.map(function (i) { return data.modalities[panel.modality[i]].colour; });
        return {
          type: "scatter", mode: "markers", name: data.models[pair[0]].label, hoverinfo: "text",
          x: rows.map(function (i) { return panel[shown.cost][i]; }), y: rows.map(function (i) { return panel.rmse[i]; }),
          text: rows.map(function (i) { return words(panel, i); }),
          customdata: rows.map(function (i) { return panel.link[i]; }),
          marker: {
            symbol: data.models[pair[0]].symbol, color: colours, opacity: 0.8,
            size: rows.map(function (i) { return data.zooms[panel.zoom[i]].size; }),
            line: {width: thin ? 2 : 0.5, color: thin ? colours : "#fff"},
          },
        };
      });
      status.textContent = shown.rows.length + " runs shown, " + best.length + " of them on the front.";
      return [line].concat(dots);
    }

    function draw() {
      const shown = points();
      const x = axis(data.costs[shown.cost], {type: "log", dtick: 1});
      const y = axis("validation RMSE [dex]", {});
      return Plotly.react(plot.area, traces(shown), layout(x, y), CONFIG);
    }

    show(plot);
    draw();
    listen(plot, function (point) { return point.customdata || ""; });
    form.addEventListener("submit", function (event) { event.preventDefault(); });
    form.addEventListener("change", draw);
  }

  // ---- predicted against true ----

  function drawTruth(plot) {
    const data = plot.data;
    const values = data.truth.concat(data.prediction).filter(function (value) { return value !== null; });
    const low = values.reduce(function (a, b) { return Math.min(a, b); });
    const high = values.reduce(function (a, b) { return Math.max(a, b); });
    const room = 0.05 * (high - low || 1);
    const ends = [low - room, high + room];

    function range(a, b) { return a === null || b === null ? "" : " (" + said(a, 2) + " to " + said(b, 2) + ")"; }

    function words(i) {
      return "<b>" + escaped(data.name[i]) + "</b><br>redshift " + said(data.z[i], 4) +
        "<br>log SFR " + said(data.truth[i], 2) + range(data.p16[i], data.p84[i]) +
        "<br>predicted " + said(data.prediction[i], 2) + range(data.low[i], data.high[i]) +
        "<br>error " + said(data.prediction[i] - data.truth[i], 2, " dex");
    }

    const equal = {type: "scatter", mode: "lines", hoverinfo: "skip", line: {color: "#000000", width: 1}, x: ends, y: ends};
    const dots = {
      type: "scatter", mode: "markers", hoverinfo: "text", x: data.truth, y: data.prediction, customdata: data.link,
      text: data.name.map(function (name, i) { return words(i); }),
      marker: {color: data.colour, size: data.truth.length > 400 ? 5 : 8, opacity: 0.6, line: {width: 0}},
    };
    show(plot);
    const y = axis("predicted " + SFR, {range: ends, scaleanchor: "x", constrain: "domain"});
    Plotly.newPlot(plot.area, [equal, dots], layout(axis("catalogue's " + SFR, {range: ends, constrain: "domain"}), y), CONFIG);
    listen(plot, function (point) { return point.customdata || ""; });
  }

  [["pareto", drawPareto], ["truth", drawTruth]].forEach(function (pair) {
    const plot = parts(pair[0]);
    if (plot) { pair[1](plot); }
  });
}());
