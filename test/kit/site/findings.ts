import type { Page } from 'playwright-core';

/** The smallest size of the text in a diagram, in pixels of the screen. */
const SMALLEST_TEXT = 11;
/** The contrast that WCAG demands of text, and of graphics. */
const TEXT_CONTRAST = 4.5;
const GRAPHICS_CONTRAST = 3;

/** Reports a page that is wider than its window, tables outside a box that scrolls, and cards of a wide table that do not fit on a phone. */
export function overflowFindings(page: Page): Promise<readonly string[]> {
  return page.evaluate<readonly string[]>(`(() => {
    const width = document.documentElement.clientWidth;
    const found = [];
    if (document.documentElement.scrollWidth > width) {
      const wide = [...document.querySelectorAll('body *')].filter((element) => element.getBoundingClientRect().right > width + 1);
      found.push('wider than the window: ' + wide.slice(0, 3).map((each) => each.tagName + '.' + each.className).join(' '));
    }
    for (const table of document.querySelectorAll('table')) {
      if (!table.parentElement.classList.contains('table-box')) found.push('a table without a box');
    }
    for (const box of document.querySelectorAll('.table-box.is-wide')) {
      if (width < 640 && box.scrollWidth > box.clientWidth) found.push('a row that does not fit: ' + box.textContent.slice(0, 40));
    }
    return found;
  })()`);
}

/** Reports labels that are cut off, too small, or too pale for their background, and arrows that are too pale. */
export function diagramFindings(page: Page): Promise<readonly string[]> {
  return page.evaluate<readonly string[]>(`(() => {
    const channels = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
    const luminance = (color) => {
      const [r, g, b] = channels(color).map((value) => {
        const part = value / 255;
        return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (one, other) => {
      const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
      return (high + 0.05) / (low + 0.05);
    };
    const isClear = (color) => color === 'none' || color === 'transparent' || channels(color)[3] === 0;
    const paper = getComputedStyle(document.body).backgroundColor;
    const found = [];
    for (const svg of document.querySelectorAll('.diagram svg')) {
      const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
      for (const label of svg.querySelectorAll('foreignObject')) {
        const text = label.textContent.trim();
        if (text === '') continue;
        const inner = label.querySelector('p, span') ?? label.firstElementChild;
        const style = getComputedStyle(inner);
        const box = label.getBoundingClientRect();
        const content = inner.getBoundingClientRect();
        if (content.bottom > box.bottom + 2 || content.right > box.right + 2) found.push('label is cut off: ' + text);
        if (parseFloat(style.fontSize) * scale < ${SMALLEST_TEXT}) found.push('label is too small: ' + text);
        const shape = label.closest('.node, .cluster')?.querySelector('rect, path, polygon, circle');
        const fill = shape ? getComputedStyle(shape).fill : paper;
        const ratio = contrast(style.color, isClear(fill) ? paper : fill);
        if (ratio < ${TEXT_CONTRAST}) found.push('label is too pale (' + ratio.toFixed(1) + '): ' + text);
      }
      for (const edge of svg.querySelectorAll('.edgePaths path, path.transition')) {
        if (contrast(getComputedStyle(edge).stroke, paper) < ${GRAPHICS_CONTRAST}) found.push('an arrow is too pale');
      }
    }
    return found;
  })()`);
}
