/* Searches in the B+-tree of btree.h; none of them changes the tree. */
#ifndef KSM_RMAP_BTREE_SEARCH_H
#define KSM_RMAP_BTREE_SEARCH_H

#include "btree.h"

/* What one search touched; exact, counted by the search itself. */
struct bt_visits {
	size_t pages, entries;
};

/* Whether the item is in this tree. O(log n). */
static inline int
bt_holds(const struct bt *tree, const struct bt_item *item)
{
	const struct bt_page *page = item->leaf;
	if (!page)
		return 0;
	while (page->parent)
		page = page->parent;
	return page == tree->root;
}

/* A growing array of what a search found: items, and numbers of unmade ones. */
struct bt_found {
	void **items;
	size_t count, room;
	void **stack;            /* where `items` points at first; not freed */
};

static inline int
bt_reserve(struct bt_found *found)
{
	if (found->count + BT_PAGE + BT_FOUR <= found->room)
		return 0;
	size_t room = found->room * 4;
	void **items = BT_MALLOC(room * sizeof *items);
	if (!items)
		return -1;
	memcpy(items, found->items, found->count * sizeof *items);
	if (found->items != found->stack)
		BT_FREE(found->items);
	found->items = items;
	found->room = room;
	return 0;
}

/* ---- the walk that the searches share ---- */

/* A page and those of its slots that are still to be entered. */
struct bt_place {
	const struct bt_page *page;
	uint64_t slots;
	uint32_t stop; /* past the last slot that starts in time, and beyond if none is later */
};

struct bt_walk {
	uint64_t start, last;
	int vectors;
	struct bt_visits visits;
	struct bt_place at;
	uint32_t depth;
	struct bt_place above[BT_HEIGHT]; /* places to go back to */
};

/* What a step of the walk found: slots of a leaf; or, without a leaf, one item. */
struct bt_run {
	const struct bt_page *leaf;
	uint64_t slots;
	struct bt_item *item;
};

/* Look at a page; `inner`: all of it starts in time. */
BT_INLINE void
bt_enter(struct bt_walk *walk, const struct bt_page *page, int inner)
{
	uint64_t later = (uint64_t)1 << page->count;
	if (!inner)
		later |= ~bt_slots_to(page->starts, walk->last, 1, walk->vectors);
	uint64_t over = bt_slots_to(page->lasts, walk->start, 0, walk->vectors);
	uint32_t stop = bt_lowest(later);
	walk->at.page = page;
	walk->at.slots = ~later & (later - 1) & ~over;
	walk->at.stop = inner ? BT_PAGE + 1 : stop;
	walk->visits.pages++;
	walk->visits.entries += stop;
}

BT_INLINE void
bt_walk_begin(struct bt_walk *walk, const struct bt *tree, uint64_t start, uint64_t last,
	      int vectors)
{
	walk->start = start;
	walk->last = last;
	walk->vectors = vectors;
	walk->visits = (struct bt_visits){0, 0};
	walk->at.slots = 0;
	walk->depth = 0;
	if (tree->root)
		bt_enter(walk, tree->root, 0);
}

/*
 * Find the next of what overlaps, in order. Return 0 when there is nothing more. A slot
 * of which only the longest item reaches the start is answered here, without a descent;
 * unless that item is not made yet, for then only its leaf knows where it starts.
 */
BT_INLINE int
bt_step(struct bt_walk *walk, struct bt_run *run)
{
	for (;;) {
		if (!walk->at.slots) {
			if (!walk->depth)
				return 0;
			walk->at = walk->above[--walk->depth];
		}
		const struct bt_page *page = walk->at.page;
		if (!page->height) {
			*run = (struct bt_run){page, walk->at.slots, NULL};
			walk->at.slots = 0;
			return 1;
		}
		uint32_t slot = bt_lowest(walk->at.slots);
		int inner = slot + 1 < walk->at.stop;
		walk->at.slots &= walk->at.slots - 1;
		void *longest = BT_BRANCH(page)->longest[slot];
		if (BT_BRANCH(page)->seconds[slot] >= walk->start || bt_is_unmade(longest)) {
			if (walk->at.slots)
				walk->above[walk->depth++] = walk->at;
			bt_enter(walk, page->slots[slot], inner);
		} else if (inner || ((struct bt_item *)longest)->start <= walk->last) {
			*run = (struct bt_run){NULL, 0, longest};
			return 1;
		}
	}
}

/*
 * Copy what a step found; neighbours, the common case, by fours: a copy of a length that
 * is known needs no call. Up to three places after the last may be written.
 */
BT_INLINE void **
bt_copy_run(const struct bt_run *run, void **to)
{
	uint64_t slots = run->slots, past = slots + (slots & (0 - slots));
	if (!run->leaf) {
		*to++ = run->item;
	} else if (!(slots & past)) {
		uint32_t from = bt_lowest(slots), count = bt_lowest(past) - from;
		for (uint32_t i = 0; i < count; i += BT_FOUR)
			memcpy(to + i, run->leaf->slots + from + i, BT_FOUR * sizeof *to);
		to += count;
	} else {
		for (; slots; slots &= slots - 1)
			*to++ = run->leaf->slots[bt_lowest(slots)];
	}
	return to;
}

BT_INLINE int
bt_collect_with(const struct bt *tree, uint64_t start, uint64_t last, struct bt_found *found,
		int vectors)
{
	struct bt_walk walk;
	struct bt_run run;
	bt_walk_begin(&walk, tree, start, last, vectors);
	while (bt_step(&walk, &run)) {
		if (bt_reserve(found))
			return -1;
		found->count = (size_t)(bt_copy_run(&run, found->items + found->count) - found->items);
	}
	return 0;
}

#if defined(__GNUC__) && defined(__x86_64__)
/* Any x86-64 can run the rest; these instructions save a third of a search for one answer. */
#define BT_HAS_AVX2 (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"))
__attribute__((target("avx2,bmi"))) static int
bt_collect_avx2(const struct bt *tree, uint64_t start, uint64_t last, struct bt_found *found)
{
	return bt_collect_with(tree, start, last, found, 1);
}
#else
#define BT_HAS_AVX2 0
#define bt_collect_avx2 bt_collect
#endif

/* Collect what overlaps [start, last], in order. Return 0, or -1 without memory. */
static int
bt_collect(const struct bt *tree, uint64_t start, uint64_t last, struct bt_found *found)
{
	if (BT_HAS_AVX2)
		return bt_collect_avx2(tree, start, last, found);
	return bt_collect_with(tree, start, last, found, 0);
}

/* Whether an item that was found is not made yet. */
static inline int
bt_any_unmade(const struct bt_found *found)
{
	uintptr_t any = 0;
	for (size_t i = 0; i < found->count; i++)
		any |= (uintptr_t)found->items[i];
	return any & 1;
}

static inline size_t
bt_population(uint64_t slots)
{
	slots -= slots >> 1 & 0x5555555555555555u;
	slots = (slots & 0x3333333333333333u) + (slots >> 2 & 0x3333333333333333u);
	slots = (slots + (slots >> 4)) & 0x0f0f0f0f0f0f0f0fu;
	return (size_t)(slots * 0x0101010101010101u >> 56);
}

/* Count what overlaps [start, last]. */
static size_t
bt_count(const struct bt *tree, uint64_t start, uint64_t last)
{
	struct bt_walk walk;
	struct bt_run run;
	size_t count = 0;
	bt_walk_begin(&walk, tree, start, last, 0);
	while (bt_step(&walk, &run))
		count += run.leaf ? bt_population(run.slots) : 1;
	return count;
}

/* Count the pages and entries that a search reads. */
static inline struct bt_visits
bt_visits(const struct bt *tree, uint64_t start, uint64_t last)
{
	struct bt_walk walk;
	struct bt_run run;
	bt_walk_begin(&walk, tree, start, last, 0);
	while (bt_step(&walk, &run))
		;
	return walk.visits;
}

/*
 * A place in a tree: the next slot to look at. What a search returns is in the slot before
 * it; no page, nothing found. Any change of the tree makes it stale.
 */
struct bt_cursor {
	const struct bt_page *page;
	uint32_t slot;
};

/* Return the next slot of a leaf that overlaps [start, last] and step past it, or NULL. */
static inline void *
bt_next(struct bt_cursor *cursor, uint64_t start, uint64_t last)
{
	const struct bt_page *page = cursor->page;
	uint32_t slot = cursor->slot;
	while (page) {
		while (slot < page->count && page->lasts[slot] < start)
			slot++;
		if (slot == page->count) {
			slot = page->parent ? bt_slot_of(page->parent, page) + 1 : 0;
			page = page->parent;
		} else if (page->starts[slot] > last) {
			page = NULL;
		} else if (page->height) {
			page = page->slots[slot];
			slot = 0;
		} else {
			cursor->page = page;
			cursor->slot = slot + 1;
			return page->slots[slot];
		}
	}
	cursor->page = NULL;
	return NULL;
}

/* Find the first item, in order, that starts after the point. O(log n). */
static struct bt_cursor
bt_after(const struct bt_page *page, uint64_t point)
{
	struct bt_cursor cursor = {page, 0};
	if (!page)
		return cursor;
	while (page->height) {
		uint32_t slot = bt_upper(page, point);
		page = page->slots[slot - (slot > 0)];
	}
	cursor.page = page;
	cursor.slot = bt_upper(page, point);
	bt_next(&cursor, 0, UINT64_MAX);
	return cursor;
}

/*
 * Find, from right to left, the slot with the greatest last before the point. Enters only
 * pages with an item that reaches the point: O(log n + c log(n / c)), c of these items.
 */
static void
bt_before(const struct bt_page *page, uint64_t point, struct bt_cursor *best)
{
	for (uint32_t i = page->count; i-- > 0;) {
		if (page->starts[i] >= point)
			continue;
		if (page->lasts[i] >= point) {
			if (page->height)
				bt_before(page->slots[i], point, best);
		} else if (!best->page || page->lasts[i] > best->page->lasts[best->slot - 1]) {
			best->page = page;
			best->slot = i + 1;
		}
	}
}

/* Go on from a slot to the last item in order below it that has the slot's last. */
static void
bt_descend(struct bt_cursor *best)
{
	while (best->page->height) {
		uint64_t last = best->page->lasts[best->slot - 1];
		best->page = best->page->slots[best->slot - 1];
		best->slot = best->page->count;
		while (best->page->lasts[best->slot - 1] != last)
			best->slot--;
	}
}

#endif
