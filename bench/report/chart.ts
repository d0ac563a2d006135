import type { Result } from '../result.ts';
import { digits } from './table.ts';

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1c2733; }
figure { margin: 1.2rem 0; }
figcaption { display: flex; justify-content: space-between; gap: 1rem; }
.track { position: relative; height: 1.1rem; background: #e8edf2; border-radius: 3px; }
.bar { position: absolute; inset: 0 auto 0 0; border-radius: 3px; background: #2b7a5b; }
.missed .bar { background: #b4472f; }
.bound { position: absolute; top: -3px; bottom: -3px; width: 2px; background: #1c2733; }
small { color: #566573; }
`;

/** A standalone page: each figure against its target, the dark line. */
export function chart(results: readonly Result[], machine: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Quaymaster benchmark</title>
<style>${STYLE}</style>
<h1>Quaymaster benchmark</h1>
<p>Medians over rounds; ratios are of the same round. <small>${escape(machine)}</small></p>
${results.map(bar).join('\n')}
</html>
`;
}

function bar({ label, unit, ours, peer, ratio, target, spread, isReached }: Result): string {
  const bound = Number(target.slice(3));
  const value = ratio ?? ours;
  const full = Math.max(bound, value) * 1.1;
  const percent = (part: number): string => `${((100 * part) / full).toFixed(1)}%`;
  const sides = peer === null ? '' : ` &middot; ${digits(ours)} to ${digits(peer)} ${escape(unit)}`;
  const told = ratio === null ? `${digits(ours)} ${escape(unit)}` : digits(value);
  return `<figure class="${isReached ? 'reached' : 'missed'}">
<figcaption><span>${escape(label)}</span><span><b>${told}</b>, target ${escape(target)}</span></figcaption>
<div class="track"><div class="bar" style="width:${percent(value)}"></div><div class="bound" style="left:${percent(bound)}"></div></div>
<small>${digits(spread[0])} to ${digits(spread[1])} over the rounds${sides}</small>
</figure>`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
