"use strict";
(() => {
  const key = "byway.bearer";
  if (document.body.dataset.bearer) {
    sessionStorage.setItem(key, document.body.dataset.bearer);
    delete document.body.dataset.bearer;
    history.replaceState(null, "", "/");
  }
  const bearer = sessionStorage.getItem(key);
  const byId = (id) => document.getElementById(id);
  const say = (text) => { byId("state").textContent = text; };
  const headers = (more) => ({ Authorization: "Bearer " + bearer, ...more });

  class Refused extends Error {}

  const ask = async (path, options) => {
    const answer = await fetch(path, { cache: "no-store", credentials: "omit", ...options });
    if (answer.status === 401 || answer.status === 403) {
      sessionStorage.removeItem(key);
      throw new Refused("this page has no key to the node any more: open it again from the command line");
    }
    if (!answer.ok) {
      let problem = {};
      try { problem = await answer.json(); } catch { /* the status says enough */ }
      throw new Error(problem.message || "the node answered " + answer.status);
    }
    return answer;
  };

  // Amounts are whole numbers of base units: they are shown without floating point.
  const amount = (units, token) => {
    if (units === null || units === undefined) return "no bound";
    const digits = units.padStart(token.decimals + 1, "0");
    const whole = digits.slice(0, digits.length - token.decimals);
    const rest = digits.slice(digits.length - token.decimals).replace(/0+$/, "");
    return whole + (rest ? "." + rest : "") + " " + token.symbol;
  };
  const bytes = (n) => {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let at = 0;
    while (n >= 1000 && at < units.length - 1) { n /= 1000; at++; }
    return (at ? n.toFixed(1) : n) + " " + units[at];
  };
  const time = (t) => new Date(t).toLocaleString();

  const rows = (id, list) => {
    byId(id).replaceChildren(...list.filter(([, value]) => value).flatMap(([name, value]) => {
      const dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = name;
      dd.textContent = value;
      return [dt, dd];
    }));
  };

  const show = (s) => {
    const c = s.connection, p = s.provider;
    say([s.locked ? "locked" : "", c ? c.state : "", p ? "provider " + p.state : ""].filter(Boolean).join(", ") || "idle");
    rows("node", [
      ["home", s.home], ["version", s.version], ["network", s.network], ["since", time(s.since)],
      ["key", s.locked ? "locked" : "open"], ["trouble", s.trouble],
      ["chain", s.chain.filter((e) => e.ok).length + " of " + s.chain.length + " endpoints answer"],
      ["this machine", s.shut && "shut since " + time(s.shut.since) + ": " + s.shut.reason],
    ]);
    rows("connection", c ? [
      ["state", c.state + (c.reason ? ": " + c.reason.text : "")],
      ["exit", c.exit && c.exit.provider + (c.exit.country ? " (" + c.exit.country + ")" : "")],
      ["price", c.exit && amount(c.exit.price_per_gb, s.token) + " per GB"],
      ["outside", c.outside], ["proxy", c.proxy], ["this machine", c.machine], ["blocked", c.machine_blocked],
      ["rate", bytes(c.rate_rx || 0) + "/s down, " + bytes(c.rate_tx || 0) + "/s up"],
      ["spent", amount(c.budget.spent, s.token)], ["left", amount(c.budget.left, s.token)],
    ] : [["state", "none"]]);
    rows("provider", p ? [
      ["state", p.state + (p.reason ? ": " + p.reason.text : "")],
      ["price", amount(p.price_per_gb, s.token) + " per GB"],
      ["endpoints", p.endpoints.join(", ")], ["reachable", p.reachable.state + ": " + p.reachable.how],
      ["sessions", String(p.sessions.length)],
      ["today", amount(p.today.earned, s.token) + ", " + bytes(p.today.bytes)],
      ["total", amount(p.total.earned, s.token) + ", " + bytes(p.total.bytes)],
    ] : [["state", "none"]]);
  };

  const log = (kind, data) => {
    const li = document.createElement("li");
    let text = new Date().toLocaleTimeString() + " " + kind;
    if (data && data.kind) text += ": " + data.kind + " " + data.state;
    if (data && data.steps && data.steps.length) text += ", " + data.steps[data.steps.length - 1].text;
    if (data && data.message) text += ": " + data.message;
    li.textContent = text;
    byId("events").prepend(li);
    while (byId("events").children.length > 100) byId("events").lastChild.remove();
  };

  let asking = false, again = false;
  const refresh = async () => {
    if (asking) { again = true; return; }
    asking = true;
    try {
      do {
        again = false;
        show(await (await ask("/v2/status", { headers: headers() })).json());
      } while (again);
    } finally { asking = false; }
  };

  let last = "";
  const follow = async () => {
    const answer = await ask("/v2/events", { headers: headers(last ? { "Last-Event-ID": last } : {}) });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "", event = { kind: "", data: [] };
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n")) {
        const line = text.slice(0, at);
        text = text.slice(at + 1);
        if (line === "") {
          if (event.data.length) {
            let data = null;
            try { data = JSON.parse(event.data.join("\n")); } catch { /* told without it */ }
            log(event.kind, data);
            if (event.kind === "closing") say("the node ends");
            else refresh().catch(failed);
          }
          event = { kind: "", data: [] };
        } else if (line.startsWith("id: ")) last = line.slice(4);
        else if (line.startsWith("event: ")) event.kind = line.slice(7);
        else if (line.startsWith("data: ")) event.data.push(line.slice(6));
      }
    }
  };

  const failed = (err) => { say(err.message); return err instanceof Refused; };
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const run = async () => {
    if (!bearer) {
      say("this page has no key to the node: open it again from the command line");
      return;
    }
    for (;;) {
      try {
        await refresh();
        await follow();
        say("the node does not answer");
      } catch (err) {
        if (failed(err)) return;
      }
      await pause(3000);
    }
  };
  setInterval(() => { if (!document.hidden && !byId("state").textContent.includes("key")) refresh().catch(failed); }, 5000);
  run();
})();
