'use strict';
// Charts and 3D views of the page. Each box holds its data as JSON; nothing is fetched.
(function () {
  const LOOK = {
    margin: {l: 56, r: 36, t: 12, b: 48}, paper_bgcolor: '#fff', plot_bgcolor: '#fff',
    font: {family: 'system-ui, sans-serif', size: 13, color: '#111'},
    legend: {orientation: 'h', y: -0.3}, modebar: {orientation: 'v'}, autosize: true,
  };
  const CONFIG = {responsive: true, displaylogo: false};
  const read = (box) => JSON.parse(box.querySelector('script').textContent);

  function unpack(packed, Kind) {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    return new Kind(bytes.buffer);
  }

  function say(box, sentence) {
    const note = document.createElement('p');
    note.textContent = sentence;
    box.append(note);
  }

  function drawChart(box) {
    const {data, layout} = read(box);
    Plotly.newPlot(box, data, {...LOOK, ...layout}, CONFIG);
  }

  // Whole numbers of a class each get a flat piece of the scale.
  function scaleOf(colors) {
    const n = colors.length;
    return colors.flatMap((color, i) => [[i / n, color], [(i + 1) / n, color]]);
  }

  function legendOf(names, colors) {
    const legend = document.createElement('p');
    legend.className = 'legend';
    names.forEach((name, i) => {
      const entry = document.createElement('span'), patch = document.createElement('i');
      patch.style.background = colors[i];
      entry.append(patch, name);
      legend.append(entry);
    });
    return legend;
  }

  // One scan at a time: a browser holds few WebGL contexts.
  function drawClouds(box) {
    const {scans, looks} = read(box);
    const choice = document.createElement('select');
    choice.setAttribute('aria-label', 'scan');
    scans.forEach((scan, i) => choice.add(new Option(scan.name, i)));
    const grid = document.createElement('div');
    grid.className = 'grid panels';
    box.append(choice);
    Object.values(looks).forEach((look) => box.append(legendOf(look.names, look.colors)));
    box.append(grid);
    let panels = [];

    function link(panel) {
      const follow = (change) => {
        const camera = change['scene.camera'];
        if (!camera || panel.led) return;
        panels.filter((other) => other !== panel).forEach((other) => {
          other.led = true;
          Plotly.relayout(other, {'scene.camera': camera}).then(() => { other.led = false; });
        });
      };
      panel.on('plotly_relayout', follow);
    }

    function show() {
      panels.forEach((panel) => Plotly.purge(panel));
      grid.replaceChildren();
      const scan = scans[choice.value];
      const axes = scan.axes.map((axis) => Float32Array.from(
        unpack(axis.packed, Uint16Array), (value) => axis.least + axis.step * value));
      panels = scan.panels.map((of) => {
        const cell = document.createElement('div'), panel = document.createElement('div');
        const title = document.createElement('h3');
        title.textContent = of.title;
        panel.className = 'panel';
        cell.append(title, panel);
        grid.append(cell);
        const look = looks[of.look], values = unpack(of.packed, Uint8Array);
        const hidden = {visible: false};
        Plotly.newPlot(panel, [{
          type: 'scatter3d', mode: 'markers', x: axes[0], y: axes[1], z: axes[2],
          text: Array.from(values, (value) => look.names[value]), hoverinfo: 'text',
          marker: {
            size: scan.size, color: values, cmin: -0.5, cmax: look.colors.length - 0.5,
            colorscale: scaleOf(look.colors), line: {width: 0},
          },
        }], {
          margin: {l: 0, r: 0, t: 0, b: 0}, showlegend: false, modebar: {orientation: 'v'},
          scene: {aspectmode: 'data', xaxis: hidden, yaxis: hidden, zaxis: hidden,
            camera: {eye: {x: 0, y: -1.1, z: 1.4}}},
        }, CONFIG).then(() => link(panel)).catch(() => say(cell, 'This browser has no WebGL.'));
        return panel;
      });
    }
    choice.addEventListener('change', show);
    new IntersectionObserver((seen, watcher) => {
      if (seen.some((one) => one.isIntersecting)) { watcher.disconnect(); show(); }
    }, {rootMargin: '300px'}).observe(box);
  }

  document.querySelectorAll('.chart').forEach(drawChart);
  document.querySelectorAll('.clouds').forEach(drawClouds);
  window.addEventListener('beforeprint', () => {
    document.querySelectorAll('.chart').forEach((box) => Plotly.Plots.resize(box));
  });
})();
