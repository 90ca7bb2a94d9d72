"use strict";
// Everything that is shown goes through textContent: what a device sent stays text (R29).
const KEPT_S = 120, MINUTE_S = 60, RATE_S = 5;
const history = [];
let period = "all", token = "", timer = 0;

const by = (id) => document.getElementById(id);
const made = (name, text, style) => {
  const one = document.createElement(name);
  if (text !== undefined) one.textContent = text;
  if (style) one.className = style;
  return one;
};
const drawn = (name, attributes, text) => {
  const one = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) one.setAttribute(key, attributes[key]);
  if (text !== undefined) one.textContent = text;
  return one;
};
const number = (value) => value >= 1e6 ? (value / 1e6).toFixed(1) + " M" : value >= 1e4 ? (value / 1e3).toFixed(1) + " k"
  : Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 1 : 0);
const span = (s) => s === Infinity ? "> 10 s" : s >= 1 ? s.toFixed(s < 10 ? 1 : 0) + " s"
  : s >= 1e-3 ? (s * 1e3).toFixed(s < 1e-2 ? 1 : 0) + " ms" : (s * 1e6).toFixed(0) + " µs";
const ago = (s) => s < 90 ? Math.max(0, Math.round(s)) + " s" : s < 5400 ? Math.round(s / 60) + " min"
  : s < 172800 ? Math.round(s / 3600) + " h" : Math.round(s / 86400) + " d";

// Series: a map from labels, joined, to a number or to the numbers of a histogram.
const series = (shot, name) => new Map((shot && shot.series[name] || []).map((row) => [row.slice(0, -1).join("\n"), row.at(-1)]));
const less = (now, then) => {
  const found = new Map();
  for (const [key, value] of now) {
    const before = then.get(key);
    found.set(key, Array.isArray(value) ? value.map((one, i) => Math.max(0, one - (before ? before[i] : 0)))
      : Math.max(0, value - (before || 0)));
  }
  return found;
};
const at = (seconds) => history.find((shot) => shot.now >= history.at(-1).now - seconds - 0.5);
const within = (name, seconds) => {
  const now = history.at(-1), then = at(seconds);
  return less(series(now, name), series(then === now ? null : then, name));
};
const inPeriod = (name) => period === "all" ? series(history.at(-1), name) : within(name, MINUTE_S);
const sum = (map, chosen) => [...map].reduce((total, [key, value]) => total + (chosen(key) ? value : 0), 0);
const kind = (reason) => ["accepted", "open", "own", "unverified"].includes(reason) ? "accepted"
  : /^(store|upstream|internal)\./.test(reason) ? "ours" : "refused";
const reasonOf = (key) => key.split("\n")[0];

const quantile = (numbers, share) => {
  const buckets = numbers.slice(0, -1), total = buckets.reduce((a, b) => a + b, 0), bounds = history.at(-1).bounds;
  if (!total) return null;
  let below = 0;
  for (let i = 0; i < buckets.length; i++) {
    if (buckets[i] && below + buckets[i] >= share * total) {
      if (i === bounds.length) return Infinity;
      const low = i ? bounds[i - 1] : 0;
      return low + (bounds[i] - low) * (share * total - below) / buckets[i];
    }
    below += buckets[i];
  }
  return Infinity;
};
const count = (numbers) => numbers.slice(0, -1).reduce((a, b) => a + b, 0);

const fill = (id, ...rows) => by(id).replaceChildren(...rows);
const row = (...cells) => { const line = made("tr"); line.append(...cells); return line; };
const heads = (...names) => row(...names.map(([text, style]) => made("th", text, style)));
const bar = (share, style) => {
  const cell = made("td", undefined, "bar"), inner = made("div", undefined, style);
  inner.style.width = (100 * share).toFixed(1) + "%";
  cell.append(inner);
  return cell;
};
const facts = (id, pairs) => fill(id, ...pairs.flatMap(([name, value, style]) => [made("dt", name), made("dd", value, style)]));

function tiles() {
  const now = history.at(-1), then = at(RATE_S);
  const seconds = then === now ? Math.max(1, now.now - now.since) : now.now - then.now;
  const verdicts = within("verdicts_total", RATE_S), all = inPeriod("verdicts_total");
  const total = sum(all, () => true), passed = sum(all, (key) => kind(reasonOf(key)) === "accepted");
  const durations = inPeriod("request_duration_seconds").get("accepted");
  const tile = (name, value, more) => {
    const one = made("div", undefined, "tile");
    one.append(made("span", name, "soft"), made("b", value), made("span", more, "soft"));
    return one;
  };
  const time = (share) => { const found = durations && quantile(durations, share); return found === null || found === undefined ? "-" : span(found); };
  const cpu = within("worker_cpu_seconds_total", RATE_S).get("") || 0;
  fill("tiles",
    tile("requests", number(sum(verdicts, () => true) / seconds) + "/s", number(sum(series(now, "verdicts_total"), () => true)) + " in all"),
    tile("accepted", total ? (100 * passed / total).toFixed(passed === total ? 0 : 1) + " %" : "-", number(total - passed) + " refused"),
    tile("half within", time(0.5), "p50"), tile("99 of 100 within", time(0.99), "p99"),
    tile("connections", number(series(now, "open_connections").get("") || 0), number(series(now, "connections_total").get("") || 0) + " so far"),
    tile("processors", (cpu / seconds).toFixed(2), "of " + now.workers.serving + " workers"));
}

function traffic() {
  const svg = by("traffic"), width = svg.clientWidth || 900, height = 190, left = 44, bottom = 20;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const rates = [];
  for (let i = 1; i < history.length; i++) {
    const seconds = history[i].now - history[i - 1].now;
    const change = less(series(history[i], "verdicts_total"), series(history[i - 1], "verdicts_total"));
    const each = (wanted) => sum(change, (key) => kind(reasonOf(key)) === wanted) / seconds;
    rates.push({ at: history[i].now, accepted: each("accepted"), refused: each("refused"), ours: each("ours") });
  }
  const most = Math.max(1, ...rates.map((one) => one.accepted + one.refused + one.ours));
  const step = 10 ** Math.floor(Math.log10(most)), nice = [1, 2, 5, 10].find((m) => m * step >= most) * step;
  const x = (when) => left + (width - left) * (1 - (history.at(-1).now - when) / KEPT_S);
  const y = (value) => (height - bottom) - (height - bottom - 8) * value / nice;
  const parts = [0, 0.5, 1].flatMap((share) => [
    drawn("line", { class: "grid", x1: left, x2: width, y1: y(nice * share), y2: y(nice * share) }),
    drawn("text", { x: left - 6, y: y(nice * share) + 4, "text-anchor": "end" }, number(nice * share))]);
  for (const back of [120, 90, 60, 30]) parts.push(drawn("text", { x: x(history.at(-1).now - back), y: height - 4, "text-anchor": back === 120 ? "start" : "middle" }, `-${back} s`));
  let base = rates.map(() => 0);
  for (const name of ["accepted", "refused", "ours"]) {
    const top = rates.map((one, i) => base[i] + one[name]);
    if (rates.length) {
      const up = rates.map((one, i) => `${x(one.at)},${y(top[i])}`), down = rates.map((one, i) => `${x(one.at)},${y(base[i])}`).reverse();
      parts.push(drawn("polygon", { class: name, points: [...up, ...down].join(" ") }));
    }
    base = top;
  }
  svg.replaceChildren(...parts);
}

function verdicts() {
  const found = new Map();
  for (const [key, value] of inPeriod("verdicts_total")) if (value) found.set(reasonOf(key), (found.get(reasonOf(key)) || 0) + value);
  const rows = [...found].sort((one, other) => other[1] - one[1]).slice(0, 14), most = Math.max(1, ...rows.map(([, value]) => value));
  fill("verdicts", heads(["verdict"], [""], ["requests", "number"]), ...rows.map(([reason, value]) =>
    row(made("td", reason, "name"), bar(value / most, { accepted: "good", ours: "ours" }[kind(reason)]), made("td", number(value), "number"))));
}

function latency() {
  const svg = by("latency"), width = svg.clientWidth || 600, height = svg.clientHeight || 190, bottom = 34;
  const numbers = inPeriod("request_duration_seconds").get("accepted") || [0], bounds = history.at(-1).bounds;
  const buckets = numbers.slice(0, -1), total = Math.max(1, count(numbers)), most = Math.max(...buckets, 1), each = width / (bounds.length + 1);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const parts = [drawn("line", { class: "grid", x1: 0, x2: width, y1: height - bottom, y2: height - bottom })];
  buckets.forEach((value, i) => {
    const tall = (height - bottom - 18) * value / most, top = height - bottom - tall;
    const box = drawn("rect", { class: "accepted", x: i * each + 1, width: Math.max(1, each - 2), y: top, height: tall });
    box.append(drawn("title", {}, `${number(value)} up to ${i < bounds.length ? span(bounds[i]) : "any time"}`));
    parts.push(box);
    if (value / total >= 0.01) parts.push(drawn("text", { x: (i + 0.5) * each, y: top - 4, "text-anchor": "middle" }, Math.round(100 * value / total) + "%"));
    if (i % 2 === 1 || i === bounds.length) parts.push(drawn("text", { x: (i + 0.5) * each, y: height - bottom + 15, "text-anchor": "middle" }, i < bounds.length ? span(bounds[i]).replace(".0", "") : "more"));
  });
  parts.push(drawn("text", { x: 0, y: height - 4 }, "up to"));
  svg.replaceChildren(...parts);
}

function stages() {
  const rows = [...inPeriod("stage_duration_seconds")].filter(([, numbers]) => count(numbers)).map(([stage, numbers]) =>
    ({ stage, mean: numbers.at(-1) / 1e9 / count(numbers), slow: quantile(numbers, 0.99), count: count(numbers) })).sort((one, other) => other.mean - one.mean);
  const most = Math.max(1e-9, ...rows.map((one) => one.mean));
  fill("stages", heads(["stage"], [""], ["mean", "number"], ["p99", "number"], ["requests", "number"]), ...rows.map((one) =>
    row(made("td", one.stage), bar(one.mean / most, "good"), made("td", span(one.mean), "number"), made("td", span(one.slow), "number"), made("td", number(one.count), "number"))));
}

function sides() {
  const now = history.at(-1), one = (name, label = "") => series(now, name).get(label) || 0, lately = (name, label = "") => inPeriod(name).get(label) || 0;
  const looked = inPeriod("cache_lookups_total"), asked = sum(looked, () => true), hits = asked - (looked.get("miss") || 0);
  const trips = lately("store_round_trips_total"), connected = one("store_connected");
  facts("store", [
    ["store", now.store], ["connected", `${connected} of ${now.workers.serving} workers`, connected < now.workers.serving ? "bad" : ""],
    ["round trip", trips ? span(lately("store_round_trip_seconds_total") / trips) + ` (mean of ${number(trips)})` : "-"],
    ["timeouts", number(lately("store_timeouts_total"))], ["changes followed", one("changes_age_seconds") > 1e9 ? "never" : span(one("changes_age_seconds")) + " ago"],
    ["cache", asked ? (100 * hits / asked).toFixed(1) + ` % of ${number(asked)} look-ups; ${number(one("cache_entries"))} entries` : number(one("cache_entries")) + " entries"],
    ["stale answers", number(lately("cache_lookups_total", "stale"))],
    ["replay claims", `${number(lately("replay_claims_total", "claimed"))} made, ${number(lately("replay_claims_total", "seen"))} seen before, ${number(lately("replay_claims_total", "failed"))} failed`]]);
  const trouble = [...inPeriod("verdicts_total")].filter(([key, value]) => value && key.startsWith("upstream."));
  const servers = [...series(now, "upstream_server_up")].map(([key, up]) => [key.split("\n")[1],
    (up ? `up for ${up} of ${now.workers.serving} workers` : "down") + `, ${number(one("upstream_server_requests", key))} requests`, up < now.workers.serving ? "bad" : ""]);
  facts("upstream", [...(servers.length ? servers : [["backend", now.upstream]]), ["connections", `${number(one("upstream_connections", "busy"))} busy, ${number(one("upstream_connections", "idle"))} idle`],
    ...trouble.map(([key, value]) => [reasonOf(key), number(value), "bad"]), ...(trouble.length ? [] : [["failures", "none"]])]);
  const soon = now.certificates;
  facts("counts", soon ? [["end within 30 days", number(soon.expiring), soon.expiring ? "bad" : ""], ["ended", number(soon.expired), soon.expired ? "bad" : ""],
    ...(soon.damaged ? [["damaged records", number(soon.damaged), "bad"]] : []), ["counted", ago(now.now - soon.at) + " ago"]] : [["counted", "not yet"]]);
  fill("soonest", ...(soon && soon.soonest.length ? [heads(["client"], ["ends in", "number"])] : []), ...(soon ? soon.soonest : []).map((each) =>
    row(made("td", each.realm === "default" ? each.client_id : `${each.client_id} (${each.realm})`, "name"), made("td", each.ends < now.now ? "ended" : ago(each.ends - now.now), "number"))));
  fill("unsafe", ...now.unsafe.map((sentence) => made("li", sentence)));
  by("unsafes").hidden = !now.unsafe.length;
}

function failing() {
  const now = history.at(-1);
  by("hint").hidden = !now.failing.length;
  fill("failing", ...(now.failing.length ? [heads(["client"], ["refused", "number"], ["last reason"], ["last", "number"], ["request id"], [""])] : [row(made("td", "none", "soft"))]),
    ...now.failing.map((one) => {
      const reason = made("td", one.reason, "name"), copy = made("button", "copy explain"), cell = made("td");
      reason.title = one.detail;
      copy.title = copy.dataset.command = one.explain;
      copy.onclick = () => navigator.clipboard.writeText(one.explain).then(() => { copy.textContent = "copied"; }, () => { cell.replaceChildren(made("code", one.explain)); });
      cell.append(copy);
      const id = made("td"); id.append(made("code", one.request_id));
      return row(made("td", one.client_id, "name"), made("td", (one.unsure ? "up to " : "") + number(one.count), "number"), reason, made("td", ago(now.now - one.at), "number"), id, cell);
    }));
}

function show() {
  const now = history.at(-1), words = { ready: "ready", degraded: "degraded", not_ready: "not ready" };
  by("status").textContent = words[now.health.status];
  by("status").className = "pill " + now.health.status;
  by("facts").textContent = `${now.version} · ${now.workers.serving} of ${now.workers.wanted} workers · up ${ago(now.now - now.since)}`
    + (now.workers.restarts ? ` · ${now.workers.restarts} restarts` : "");
  fill("troubles", ...now.health.reasons.map((one) => made("li", `${one.reason}: ${one.detail}`)));
  for (const one of document.querySelectorAll(".period")) one.textContent = period === "minute" && history.length > 1 ? "last minute" : "since the start";
  if (!document.getSelection().isCollapsed) return; // somebody is copying
  for (const part of [tiles, traffic, verdicts, latency, stages, sides, failing]) part();
}

async function poll() {
  clearTimeout(timer);
  try {
    const answer = await fetch("/dashboard.json", { headers: token ? { Authorization: "Bearer " + token } : {}, cache: "no-store" });
    if (answer.status === 401 || answer.status === 403) {
      by("wrong").textContent = token || answer.status === 403 ? (await answer.json()).detail : "";
      by("door").hidden = false;
      by("main").hidden = true;
      by("status").textContent = "locked";
      return;
    }
    const shot = await answer.json();
    if (history.length && (shot.since !== history.at(-1).since || shot.now <= history.at(-1).now)) history.length = 0;
    history.push(shot);
    while (history[0].now < shot.now - KEPT_S) history.shift();
    by("door").hidden = true;
    by("main").hidden = false;
    show();
  } catch (error) {
    by("status").textContent = "no answer";
    by("status").className = "pill lost";
    console.error(error);
  }
  timer = setTimeout(poll, 1000);
}

for (const name of ["minute", "all"]) {
  by(name).onclick = () => {
    period = name;
    for (const other of ["minute", "all"]) by(other).setAttribute("aria-pressed", String(other === name));
    if (history.length) show();
  };
}
by("door").onsubmit = (event) => { event.preventDefault(); token = by("token").value; poll(); };
poll();
