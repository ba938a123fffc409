type Bindings = { UPSTREAM: string };

export default {
  async fetch(request, env) {
    const { pathname, search } = new URL(request.url);
    const answer = await fetch(env.UPSTREAM + pathname + search, request);
    return new Response(answer.body, answer);
  },
} satisfies ExportedHandler<Bindings>;
