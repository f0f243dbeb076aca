#include "voiced/shared/pending.h"

void errand_begin(struct errand *e, struct voiced *v, loop_fn *drop, void *arg)
{
	*e = (struct errand){.v = v, .drop = drop, .arg = arg};
	LIST_INSERT_HEAD(&v->errands, e, next);
}

void errand_later(struct errand *e, int ms, loop_fn *fn)
{
	timer_start(&e->timer, e->v->base, ms, fn, e->arg);
}

void errand_end(struct errand *e)
{
	timer_stop(&e->timer);
	LIST_REMOVE(e, next);
}

void errands_drop(struct voiced *v)
{
	struct errand *e;
	while ((e = LIST_FIRST(&v->errands)) != NULL)
		e->drop(e->arg);
}
