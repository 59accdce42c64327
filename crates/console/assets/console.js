"use strict";
// Live updates, countdowns and keys. Everything works without this script; nothing here decides anything.
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const typing = (target) => target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");

  // How long it still is, each second.
  const units = (seconds) => {
    const [d, h, m, s] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
    if (d) return `${d} d ${h} h`;
    if (h) return `${h} h ${m} min`;
    if (m >= 5) return `${m} min`;
    return m ? `${m} min ${s} s` : `${s} s`;
  };
  const tick = () => {
    for (const time of $$("time[data-until]")) {
      const left = Math.round((Date.parse(time.dateTime) - Date.now()) / 1000);
      time.textContent = left >= 0 ? `in ${units(left)}` : `${units(-left)} ago`;
    }
  };
  tick();
  setInterval(tick, 1000);

  // Parts of the page that change by themselves: the same page is asked for again, and those parts are put in.
  const told = $("#live");
  let asking = false, again = false;
  const refresh = async (kinds) => {
    if (asking) { again = true; return; }
    asking = true;
    try {
      const response = await fetch(location.href, { headers: { "x-live": "1" }, redirect: "manual" });
      if (response.type === "opaqueredirect") { location.reload(); return; }
      if (!response.ok) return;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      for (const old of $$("[data-live]")) {
        const fresh = page.getElementById(old.id);
        if (!fresh || (old.contains(document.activeElement) && typing(document.activeElement))) continue;
        const picked = new Set($$("input[name=pick]:checked", old).map((box) => box.value));
        const known = new Set($$("[data-row] a.what", old).map((link) => link.getAttribute("href")));
        const at = document.activeElement?.getAttribute?.("href");
        if (old.innerHTML === fresh.innerHTML) continue;
        old.replaceChildren(...fresh.childNodes);
        for (const box of $$("input[name=pick]", old)) box.checked = picked.has(box.value);
        let arrived = 0;
        for (const link of $$("[data-row] a.what", old)) {
          if (!known.has(link.getAttribute("href"))) { link.closest("[data-row]").classList.add("arrived"); arrived += 1; }
          if (at && link.getAttribute("href") === at) link.focus();
        }
        if (arrived && told) told.textContent = arrived === 1 ? "A request came in." : `${arrived} requests came in.`;
      }
      const [old, now] = [$("[data-digest]"), $("[data-digest]", page)];
      if (old && now && old.dataset.digest !== now.dataset.digest) for (const notice of $$("[data-changed]")) notice.hidden = false;
      for (const count of $$("[data-count]")) {
        const fresh = $("[data-count]", page);
        if (fresh) count.textContent = fresh.textContent;
      }
      tick();
    } finally {
      asking = false;
      if (again) { again = false; setTimeout(refresh, 250); }
    }
  };
  const wanted = new Set($$("[data-live]").flatMap((part) => part.dataset.live.split(" ")));
  if (wanted.size && "EventSource" in window) {
    const source = new EventSource("/live");
    let late = 0, last = 0;
    source.onmessage = (event) => {
      const kind = event.data.split(".")[0];
      if (!wanted.has(kind) && !wanted.has("*")) return;
      // At once, and then once a second at most, however much happens.
      if (!late) late = setTimeout(() => { late = 0; last = Date.now(); refresh(); }, Math.max(60, last + 1000 - Date.now()));
    };
    let opened = false;
    source.onopen = () => { if (opened) refresh(); opened = true; document.documentElement.dataset.live = "on"; };
  }

  // A decision that needs words goes to them first.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-needs]");
    if (!button) return;
    const field = button.form?.elements[button.dataset.needs];
    if (field && !field.value.trim()) {
      event.preventDefault();
      field.focus();
      field.setCustomValidity("Say why in a few words.");
      field.reportValidity();
      field.addEventListener("input", () => field.setCustomValidity(""), { once: true });
    }
  });
  document.addEventListener("submit", (event) => {
    const words = event.submitter?.dataset.confirm;
    if (words && !confirm(words)) event.preventDefault();
  });

  // Keys.
  const keys = $("#keys"), button = $("#keys-button");
  if (button) { button.hidden = false; button.addEventListener("click", () => keys.showModal()); }
  const rows = () => $$("[data-row] a");
  const move = (by) => {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(document.activeElement?.closest?.("[data-row]")?.querySelector("a"));
    all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + by))].focus();
  };
  let going = false;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape" && typing(event.target)) { event.target.blur(); return; }
    if (typing(event.target) || keys?.open) return;
    const key = event.key;
    if (going) {
      going = false;
      const place = $$("[data-go]").find((link) => link.dataset.go === key);
      if (place) { event.preventDefault(); place.click(); }
      return;
    }
    const row = document.activeElement?.closest?.("[data-row]");
    const decides = { a: "approve", r: "reject", q: "clarify", e: "edit" }[key];
    const here = $(`[data-key="${CSS.escape(key)}"]`);
    if (key === "g") going = true;
    else if (key === "?") keys?.showModal();
    else if (key === "/") { const field = $("[type=search]"); if (field) { event.preventDefault(); field.focus(); } }
    else if (key === "j" || key === "ArrowDown" && row) { event.preventDefault(); move(1); }
    else if (key === "k" || key === "ArrowUp" && row) { event.preventDefault(); move(-1); }
    else if (key === "x" && row) { const box = $("input[type=checkbox]", row); if (box) box.checked = !box.checked; }
    else if (key === "o" && row) $("a", row).click();
    else if (decides && row) location.href = `${$("a", row).getAttribute("href")}#${decides}`;
    else if (key === "u" && $("[data-back]")) $("[data-back]").click();
    else if (here) { event.preventDefault(); aim(here); }
  });
  // A key never decides by itself: it goes to the button, and Enter presses it.
  const aim = (target) => {
    const folded = target.closest("details:not([open])");
    if (folded && target.tagName !== "SUMMARY") folded.open = true;
    if (target.tagName === "SUMMARY") { target.parentElement.open = true; $("input:not([type=hidden])", target.parentElement)?.focus(); return; }
    const field = target.dataset.needs && target.form?.elements[target.dataset.needs];
    if (field && !field.value.trim()) { field.focus(); field.scrollIntoView({ block: "center" }); }
    else { target.focus(); target.scrollIntoView({ block: "center" }); }
  };
  const verb = location.hash.slice(1);
  if (verb) {
    const target = verb === "edit" ? $("#edit > summary") : $(`#decide [name=verb][value="${CSS.escape(verb)}"]`);
    if (target) aim(target);
  }
})();
