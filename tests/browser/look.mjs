// Checks for every page.

/** Returns elements that overflow the window sideways; empty if nothing overflows. */
export async function stickingOut(page) {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const found = [...document.querySelectorAll("body *")].filter((one) => {
      const box = one.getBoundingClientRect();
      return box.width > 0 && box.right > width + 1;
    });
    return [`${document.documentElement.scrollWidth} of ${width}`, ...found.slice(-5).map((one) => one.outerHTML.slice(0, 120))];
  });
}

/**
 * Moves through the page by Tab. Returns controls that Tab does not reach, and controls that do not show the focus.
 */
export async function byKeyboard(page) {
  const wanted = await page.evaluate(() => {
    globalThis.reached = new Set();
    const all = document.querySelectorAll(
      "a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled), textarea:not(:disabled), summary, [tabindex='0']",
    );
    const seen = (one) => one.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true });
    globalThis.wanted = [...all].filter((one) => seen(one) && one.tabIndex >= 0 && !one.closest("[inert]"));
    document.activeElement?.blur();
    document.body.focus();
    return globalThis.wanted.length;
  });
  const hidden = new Set();
  for (let press = 0; press < wanted + 20; press++) {
    await page.keyboard.press("Tab");
    const unseen = await page.evaluate(() => {
      const one = document.activeElement;
      if (!one || one === document.body) return "";
      globalThis.reached.add(one);
      const style = getComputedStyle(one);
      const shown = style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) >= 2;
      return shown ? "" : one.outerHTML.slice(0, 120);
    });
    if (unseen) hidden.add(unseen);
  }
  const missed = await page.evaluate(() => {
    // of several radio buttons only the selected one is a tab stop
    const isStop = (one) => !(one instanceof HTMLInputElement && one.type === "radio");
    return globalThis.wanted
      .filter((one) => one.isConnected && isStop(one) && !globalThis.reached.has(one))
      .map((one) => one.outerHTML.slice(0, 160));
  });
  return { wanted, missed, hidden: [...hidden] };
}

/** Returns texts whose contrast is below WCAG AA: 4.5, or 3 for large text. */
export async function faint(page) {
  return page.evaluate(() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const over = ([r, g, b, a], [br, bg, bb]) => {
      const part = a / 255;
      return [r * part + br * (1 - part), g * part + bg * (1 - part), b * part + bb * (1 - part), 255];
    };
    const ground = (element) => {
      const layers = [];
      for (let one = element; one; one = one.parentElement) {
        const colour = rgba(getComputedStyle(one).backgroundColor);
        layers.push(colour);
        if (colour[3] === 255) break;
      }
      return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 255]);
    };
    const light = ([r, g, b]) => {
      const [x, y, z] = [r, g, b].map((one) => {
        const part = one / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let texts = 0;
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!node.data.trim() || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      if (element.closest("noscript, :disabled, [aria-disabled=true], option")) continue;
      texts++;
      const style = getComputedStyle(element);
      const below = ground(element);
      const [a, b] = [light(over(rgba(style.color), below)), light(below)];
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const size = Number.parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (contrast < (large ? 3 : 4.5)) found.push(`${contrast.toFixed(2)}: ${node.data.trim().slice(0, 60)}`);
    }
    if (texts < 3) found.push(`only ${texts} texts`);
    return found;
  });
}
