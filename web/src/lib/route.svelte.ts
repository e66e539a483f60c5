/** Which page is shown, kept in the URL's fragment so that the back button works. */

const names = ['home', 'receive', 'send', 'redeem', 'settings', 'recover'] as const;

/** A page of the app. */
export type RouteName = (typeof names)[number];

class Route {
  /** The page shown now. */
  name = $state<RouteName>(read());

  constructor() {
    addEventListener('hashchange', () => (this.name = read()));
  }

  /** Goes to a page, with an entry in the browser's history. */
  go(name: RouteName): void {
    location.hash = `#/${name}`;
  }

  /** Goes to a page in place of the current one. */
  replace(name: RouteName): void {
    history.replaceState(undefined, '', `#/${name}`);
    this.name = name;
  }
}

function read(): RouteName {
  const name = location.hash.replace(/^#\//, '');
  return names.find((known) => known === name) ?? 'home';
}

/** The app's one route. */
export const route = new Route();
