/** Numbers and times for people, and amounts from people. */

import { RekindleError } from 'rekindle';

const amounts = new Intl.NumberFormat('en', { useGrouping: true });
const days = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });

/** 1234567n becomes "1,234,567". */
export function formatAmount(sats: bigint): string {
  return amounts.format(sats);
}

/** 1234567 becomes "1,234,567". */
export function formatCount(count: number): string {
  return amounts.format(Math.round(count));
}

/** Reads a whole number, with or without grouping. Rejects everything else with `amount_invalid`. */
export function parseAmount(text: string): bigint {
  const digits = text.trim().replace(/(?<=\d)[\s,'’_](?=\d{3}(?!\d))/g, '');
  if (!/^\d+$/.test(digits)) throw new RekindleError('amount_invalid');
  return BigInt(digits);
}

/** "Nov 21, 2026, 4:05 PM". */
export function formatTime(ms: number): string {
  return days.format(ms);
}

/** "less than a second", "12 s", "3 min", "2 h 5 min". */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 1) return 'less than a second';
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** "12.3 MB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1e3) return `${bytes} bytes`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(0)} KB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
