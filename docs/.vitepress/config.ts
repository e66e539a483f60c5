import { copyFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig, type DefaultTheme } from 'vitepress';

const docs = fileURLToPath(new URL('..', import.meta.url));

/** The pages of a folder as items of the sidebar, by their file names. */
function pages(folder: string, text = (name: string) => name): DefaultTheme.SidebarItem[] {
  return readdirSync(join(docs, folder))
    .filter((file) => file.endsWith('.md'))
    .sort()
    .map((file) => file.replace(/\.md$/, ''))
    .map((name) => ({ text: text(name), link: `/${folder}/${name}` }));
}

/** `0004-recovering-is-following` as "Recovering is following". */
function title(name: string): string {
  const words = name.replace(/^\d+-/, '').replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export default defineConfig({
  title: 'Rekindle',
  description: 'A wallet for federated e-cash in the browser that comes back from twelve words.',
  lang: 'en',
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  lastUpdated: false,
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Guide', link: '/getting-started' },
      { text: 'API', link: '/api/' },
      { text: 'Operators', link: '/operators' },
    ],
    sidebar: [
      {
        text: 'Guide',
        items: [
          { text: 'Getting started', link: '/getting-started' },
          { text: 'Recovery', link: '/recovery' },
          { text: 'Security', link: '/security' },
          { text: 'Errors', link: '/errors' },
        ],
      },
      {
        text: 'API reference',
        link: '/api/',
        collapsed: true,
        items: ['classes', 'functions', 'interfaces', 'type-aliases', 'variables'].flatMap((kind) => pages(`api/${kind}`)),
      },
      { text: 'Federations', items: [{ text: 'Running a guardian', link: '/operators' }] },
      { text: 'Decisions', collapsed: true, items: pages('decisions', title) },
    ],
  },
  // Beside the page that links to it.
  buildEnd: ({ outDir }) => copyFileSync(join(docs, 'openapi.yaml'), join(outDir, 'openapi.yaml')),
});
