'use strict';
// Filters and orders the rows of the page. A page with few rows has all cards in
// its HTML. Otherwise only the cards in view exist: their HTML comes in blocks,
// which are elements of the page or files beside it.
(() => {
  const config = JSON.parse(document.getElementById('index').textContent);
  const { states, reasons, jumps, chunkRows, textRows, prefix, flawed, reasonTexts } = config;
  const total = states.length, long = config.long;
  const $ = selector => document.querySelector(selector);
  const list = $('main'), grid = $('.grid'), tools = $('.tools'), search = $('.tools input');
  const first = $('.first'), clear = $('.clear'), count = $('.count'), missing = $('.missing');
  const chips = [...document.querySelectorAll('[data-state]')];
  const number = new Intl.NumberFormat('en').format;
  const none = document.createElement('p');
  none.className = 'none';
  none.textContent = 'No row matches.';
  none.hidden = true;
  list.append(none);

  // Rows are numbered in steps of 1, except at the jumps: [position, row].
  const rowAt = position => {
    let base = [0, 1];
    for (const jump of jumps) if (jump[0] <= position) base = jump;
    return base[1] + position - base[0];
  };
  const positionOf = row => {
    let base = [0, 1];
    for (const jump of jumps) if (jump[1] <= row) base = jump;
    const position = base[0] + row - base[1];
    return position < total && rowAt(position) === row ? position : -1;
  };

  // Blocks. A file calls sheetBlock with its content.
  const waiting = new Map();
  window.sheetBlock = (name, content) => waiting.get(name)?.(content);
  const load = name => new Promise((resolve, reject) => {
    const element = document.getElementById(name);
    if (element) return resolve(JSON.parse(element.textContent));
    waiting.set(name, resolve);
    const script = document.createElement('script');
    script.src = prefix + name + '.js';
    script.onload = () => { script.remove(); waiting.delete(name); reject(new Error(name)); }; // no effect if it is resolved
    script.onerror = () => { script.remove(); missing.hidden = false; reject(new Error(name)); };
    document.head.append(script);
  });

  // Chunks of cards. Those that were used last are kept, and all that are needed.
  const chunks = new Map(), maxChunks = 40;
  const chunk = k => {
    let entry = chunks.get(k);
    chunks.delete(k);
    if (!entry) {
      entry = { cards: null };
      load('rows-' + k).then(cards => { entry.cards = cards; draw(); }, () => {});
    }
    chunks.set(k, entry);
    return entry.cards;
  };
  const forget = needed => {
    for (const k of chunks.keys()) {
      if (chunks.size <= maxChunks) return;
      if (!needed.has(k)) chunks.delete(k);
    }
  };

  let texts = null, textsLoading = null;
  const loadTexts = () => textsLoading ??= Promise.all(
    Array.from({ length: Math.ceil(total / textRows) }, (_, k) => load('text-' + k)),
  ).then(parts => { texts = parts.flat(); }, () => { textsLoading = null; });

  // The filter.
  const wanted = new Set();
  let reason = '', failedFirst = config.failedFirst, shown = [], filtered = false;
  const select = words => {
    const before = [], after = [];
    for (let i = 0; i < total; i++) {
      if (wanted.size && !wanted.has(states[i]) || reason && reasons[i] !== reason) continue;
      if (words.length && !words.every(word => texts[i].includes(word))) continue;
      (failedFirst && flawed.includes(states[i]) ? before : after).push(i);
    }
    return before.concat(after);
  };
  const apply = async () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length && !texts) {
      count.textContent = 'Reading the texts…';
      await loadTexts();
      if (!texts) { count.textContent = 'The texts cannot be read.'; return; }
      return apply(); // the input may have changed
    }
    shown = select(words);
    filtered = words.length > 0 || wanted.size > 0 || reason !== '';
    let text = (filtered ? number(shown.length) + ' of ' : '') + number(total) + (total === 1 ? ' row' : ' rows');
    if (reason) text += ' · ' + (reasonTexts[reason] ?? 'other reasons');
    count.textContent = text;
    clear.hidden = !filtered;
    first.setAttribute('aria-pressed', failedFirst);
    for (const chip of chips) chip.setAttribute('aria-pressed', wanted.has(chip.dataset.state));
    none.hidden = shown.length > 0;
    long ? layout() : arrange();
  };
  const arrange = () => {
    const figures = new Map([...grid.children].map(figure => [figure.id, figure]));
    for (const figure of figures.values()) figure.hidden = true;
    for (const position of shown) {
      const figure = figures.get('row-' + rowAt(position));
      if (!figure) continue;
      figure.hidden = false;
      grid.append(figure);
    }
  };

  // The virtual list. Browsers limit the height of an element, so a list that would
  // be higher than maxHeight is scrolled faster than the scroll bar moves.
  const maxHeight = 8e6, blank = $('template')?.content.firstElementChild;
  let columns = 1, step = 300, lines = 0, height = 0, real = 0, offset = 0, lastTop = 0, target = -1;
  let nodes = new Map(), drawing = false;
  const layout = () => {
    const probe = blank.cloneNode(true);
    grid.replaceChildren(probe);
    nodes = new Map();
    const style = getComputedStyle(grid);
    columns = style.gridTemplateColumns.split(' ').length;
    step = probe.getBoundingClientRect().height + parseFloat(style.rowGap);
    probe.remove();
    lines = Math.ceil(shown.length / columns);
    real = Math.max(0, lines * step - parseFloat(style.rowGap));
    height = Math.min(real, maxHeight);
    list.style.height = shown.length ? height + 'px' : '';
    offset = lastTop = -1;
    draw();
  };
  // scrolled returns how far the list is scrolled, in pixels of its real height.
  const scrolled = () => {
    const top = -list.getBoundingClientRect().top, view = window.innerHeight;
    if (real <= height) return top;
    const end = height - view, moved = top - lastTop;
    if (top <= 0) offset = top;
    else if (top >= end) offset = top + real - height;
    else if (offset >= 0 && Math.abs(moved) < 2 * view) offset = Math.min(Math.max(offset + moved, 0), real - view);
    else offset = top * (real - view) / end;
    lastTop = top;
    return offset;
  };
  const draw = () => {
    drawing = false;
    const start = scrolled(), top = -list.getBoundingClientRect().top;
    const from = Math.max(0, Math.floor(start / step) - 2);
    const to = Math.min(lines, Math.ceil((start + window.innerHeight) / step) + 2);
    grid.style.transform = 'translateY(' + (top + from * step - start) + 'px)';
    const kept = new Map(), order = [], needed = new Set();
    for (let i = from * columns; i < Math.min(to * columns, shown.length); i++) {
      const position = shown[i];
      let node = nodes.get(position);
      if (!node || node.blank) {
        const k = Math.floor(position / chunkRows), cards = chunk(k);
        needed.add(k);
        if (!node || cards) node = make(position, cards);
      }
      node.element.classList.toggle('target', position === target);
      kept.set(position, node);
      order.push(node.element);
    }
    for (const element of [...grid.children]) if (!order.includes(element)) element.remove();
    // Nodes that stay are not moved, so that they keep the focus.
    let next = grid.firstElementChild;
    for (const element of order) {
      if (element === next) next = next.nextElementSibling;
      else grid.insertBefore(element, next);
    }
    nodes = kept;
    forget(needed);
  };
  const make = (position, cards) => {
    if (!cards) {
      const element = blank.cloneNode(true);
      element.querySelector('.row').textContent = 'row ' + rowAt(position);
      return { element, blank: true };
    }
    const holder = document.createElement('template');
    holder.innerHTML = cards[position % chunkRows];
    return { element: holder.content.firstElementChild, blank: false };
  };
  const drawSoon = () => {
    if (!drawing) { drawing = true; requestAnimationFrame(draw); }
  };
  const scrollToCard = position => {
    target = position;
    const start = Math.max(0, Math.floor(shown.indexOf(position) / columns) * step - tools.offsetHeight - 12);
    const view = window.innerHeight;
    const top = real <= height ? start : Math.min(start * (height - view) / (real - view), height - view);
    const listTop = list.getBoundingClientRect().top + window.scrollY;
    offset = start;
    lastTop = top;
    window.scrollTo(0, listTop + top);
    draw();
  };

  // toTop shows the first row, if it is above the window.
  const toTop = () => {
    const top = list.getBoundingClientRect().top - tools.offsetHeight - 16;
    if (top < 0) window.scrollBy(0, top);
  };

  // Links to rows and to the rows of a reason.
  const reset = () => { search.value = ''; wanted.clear(); reason = ''; };
  const follow = async () => {
    const [kind, value] = location.hash.slice(1).split('-');
    if (kind === 'reason' && value) {
      reset();
      reason = value;
      await apply();
      window.scrollBy(0, list.getBoundingClientRect().top - tools.offsetHeight - 16);
    }
    if (kind !== 'row') return;
    const position = positionOf(Number(value));
    if (position < 0) return;
    if (!shown.includes(position)) { reset(); await apply(); }
    if (long) scrollToCard(position);
    else document.getElementById('row-' + value)?.scrollIntoView();
  };
  document.addEventListener('click', event => {
    const link = event.target.closest('a[href^="#"]');
    if (!link) return;
    event.preventDefault(); // follow scrolls, also if the link is the current one
    if (location.hash === link.hash) follow();
    else location.hash = link.hash;
  });
  addEventListener('hashchange', follow);

  let timer = 0;
  search.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(changed, 150); });
  const changed = async () => {
    await apply();
    toTop();
  };
  for (const chip of chips) {
    chip.addEventListener('click', () => {
      if (!wanted.delete(chip.dataset.state)) wanted.add(chip.dataset.state);
      changed();
    });
  }
  first.addEventListener('click', () => { failedFirst = !failedFirst; changed(); });
  clear.addEventListener('click', () => {
    reset();
    if (location.hash.startsWith('#reason')) history.replaceState(null, '', '#');
    changed();
    search.focus({ preventScroll: true });
  });
  if (long) {
    list.classList.add('long');
    addEventListener('scroll', drawSoon, { passive: true });
    let width = innerWidth;
    addEventListener('resize', () => {
      if (width === innerWidth) return drawSoon(); // the address bar of a phone
      width = innerWidth;
      const at = shown[Math.max(0, Math.floor(scrolled() / step)) * columns];
      const marked = target, inside = scrolled() > 0;
      layout();
      if (inside && at !== undefined) { scrollToCard(at); target = marked; drawSoon(); }
    });
  }
  tools.hidden = false;
  apply().then(follow);
})();
