/*
 * An augmented B+-tree of closed intervals [start, last] over 0 .. 2^64 - 1.
 *
 * Rules of this file:
 *
 * 1. It knows nothing of Python. An item is a struct that the caller embeds in something
 *    larger; the tree never allocates or frees an item.
 * 2. Order is (start, insertion): of equal starts, the one inserted first comes first.
 * 3. Every allocation happens before the first change that depends on it, so a call that
 *    returns -1 (out of memory) leaves the tree as it was in every observable way.
 * 4. Removal allocates nothing and cannot fail.
 *
 * btree_page.h draws a page: starts, lasts and what lies below, in parallel arrays. A search
 * for [a, b] looks at the slots with starts <= b, which are a prefix, and enters those with
 * lasts >= a.
 *
 * Why a search is cheap in the worst case: a branch also knows, of each slot, the second
 * greatest last and the one item that has the greatest. Where only that item reaches a, it
 * is an answer and nobody has to walk to its leaf. So a page that lies wholly before the
 * end of the prefix is entered for two answers or more. Only the last slot of the prefix
 * can lead to a page with fewer, and there is one such slot a level: a search with k
 * answers enters at most (k / 2 + 1) * height pages; one for many answers if they are
 * neighbours, none at all for long intervals that lie far apart.
 */
#ifndef KSM_RMAP_BTREE_H
#define KSM_RMAP_BTREE_H

#include "btree_page.h"

#define BT_HEIGHT 64    /* more than any tree in memory can reach: each branch has >= 2 */

struct bt {
	struct bt_page *root;   /* NULL in an empty tree */
	size_t size;            /* items */
	uint32_t limit;         /* slots a page may use: BT_PAGE, or less in tests */
	uint32_t minimum;       /* slots a page must use, the root excepted */
};

static inline void
bt_init(struct bt *tree, uint32_t limit)
{
	tree->root = NULL;
	tree->size = 0;
	tree->limit = limit;
	tree->minimum = limit / 4 > 2 ? limit / 4 : 2;
}

/* ---- insertion ---- */

/*
 * Split the full child in a slot of a branch that has room; the right half is returned.
 * A key that goes to either end leaves the other part nearly full, so that intervals
 * inserted in ascending or descending order fill three quarters of each page.
 */
static struct bt_page *
bt_split(const struct bt *tree, struct bt_page *parent, uint32_t slot, uint64_t start)
{
	struct bt_page *left = parent->slots[slot];
	struct bt_page *right = bt_new_page(left->height);
	if (!right)
		return NULL;
	uint32_t at = bt_upper(left, start);
	uint32_t cut = at == left->count ? at - tree->minimum
		     : at == 0           ? tree->minimum
					 : left->count / 2;
	right->count = left->count - cut;
	bt_move(right, 0, left, cut, right->count);
	bt_adopt(right, 0, right->count);
	left->count = cut;
	bt_refresh(parent, slot);
	bt_put_child(parent, slot + 1, right);
	return right;
}

/* Put a branch with one slot above the root. */
static int
bt_grow(struct bt *tree)
{
	struct bt_page *old = tree->root;
	struct bt_page *root = bt_new_page(old ? old->height + 1 : 0);
	if (!root)
		return -1;
	if (old)
		bt_put_child(root, 0, old);
	tree->root = root;
	return 0;
}

/* Undo bt_grow() when the split that it was for could not be made. */
static void
bt_shrink(struct bt *tree)
{
	while (tree->root && (tree->root->count == 0 || (tree->root->height && tree->root->count == 1))) {
		struct bt_page *old = tree->root;
		tree->root = old->count ? old->slots[0] : NULL;
		if (tree->root)
			tree->root->parent = NULL;
		BT_FREE(old);
	}
}

/* Widen the bounds of one slot; tell whether they changed. */
static inline int
bt_widen_slot(struct bt_page *page, uint32_t slot, struct bt_item *item)
{
	struct bt_branch *branch = BT_BRANCH(page);
	int earlier = item->start < page->starts[slot];
	if (earlier)
		page->starts[slot] = item->start;
	if (item->last > page->lasts[slot]) {
		branch->seconds[slot] = page->lasts[slot];
		branch->longest[slot] = item;
		page->lasts[slot] = item->last;
	} else if (item->last > branch->seconds[slot]) {
		branch->seconds[slot] = item->last;
		if (item->last == page->lasts[slot])
			branch->longest[slot] = NULL;
	} else {
		return earlier;
	}
	return 1;
}

/* Widen the bounds of the slots that were passed on the way down to a leaf. */
static inline void
bt_widen(struct bt_page *page, const uint8_t *path, struct bt_item *item)
{
	while ((page = page->parent) && bt_widen_slot(page, path[page->height], item))
		;
}

/* Ask for the arrays that an insertion moves, while their place is still looked for. */
static inline void
bt_fetch(const struct bt_page *page)
{
#if defined(__GNUC__)
	for (uint32_t i = 0; i < BT_PAGE; i += 8) {
		__builtin_prefetch(page->lasts + i, 1);
		__builtin_prefetch(page->slots + i, 1);
	}
#else
	(void)page;
#endif
}

/* Insert after all equal starts. O(log n). Return 0, or -1 without memory. */
static int
bt_insert(struct bt *tree, struct bt_item *item)
{
	uint8_t path[BT_HEIGHT];
	if ((!tree->root || tree->root->count == tree->limit) && bt_grow(tree))
		return -1;
	struct bt_page *page = tree->root;
	while (page->height) {
		uint32_t slot = bt_upper(page, item->start);
		slot -= slot > 0;
		struct bt_page *child = page->slots[slot];
		if (child->count == tree->limit) {
			struct bt_page *right = bt_split(tree, page, slot, item->start);
			if (!right) {
				bt_shrink(tree);
				return -1;
			}
			if (right->starts[0] <= item->start) {
				child = right;
				slot++;
			}
		}
		path[page->height] = (uint8_t)slot;
		page = child;
	}
	bt_fetch(page);
	uint32_t at = bt_upper(page, item->start);
	bt_put(page, at, item->start, item->last, item);
	item->leaf = page;
	bt_widen(page, path, item);
	tree->size++;
	return 0;
}

/* ---- removal ---- */

/* Move slots between two neighbours until the left one has `want`. */
static void
bt_even_out(struct bt_page *left, struct bt_page *right, uint32_t want)
{
	uint32_t had = left->count;
	if (want > had) {
		uint32_t take = want - had;
		bt_move(left, had, right, 0, take);
		bt_move(right, 0, right, take, right->count - take);
		right->count -= take;
		bt_adopt(left, had, want);
	} else {
		uint32_t give = had - want;
		bt_move(right, give, right, 0, right->count);
		bt_move(right, 0, left, want, give);
		right->count += give;
		bt_adopt(right, 0, give);
	}
	left->count = want;
}

/*
 * Mend the child in a slot that has too few slots, with the help of a neighbour: merge
 * the two if the result is at most three quarters full, else share evenly. Either way
 * it takes several further changes before one of the pages needs mending again.
 */
static void
bt_mend(const struct bt *tree, struct bt_page *parent, uint32_t slot)
{
	slot -= slot > 0;
	struct bt_page *left = parent->slots[slot], *right = parent->slots[slot + 1];
	uint32_t total = left->count + right->count;
	if (total <= tree->limit * 3 / 4) {
		bt_even_out(left, right, total);
		bt_erase(parent, slot + 1);
		BT_FREE(right);
	} else {
		bt_even_out(left, right, total / 2);
		bt_refresh(parent, slot + 1);
	}
	bt_refresh(parent, slot);
}

/* Whether a slot has the same bounds without an item that was below it. */
static inline int
bt_is_inside(const struct bt_page *page, uint32_t slot, const struct bt_item *item)
{
	return item->start > page->starts[slot] && item->last < BT_BRANCH(page)->seconds[slot];
}

/* Remove an item that is in this tree. O(log n); cannot fail. */
static void
bt_remove(struct bt *tree, struct bt_item *item)
{
	struct bt_page *page = item->leaf, *parent;
	bt_erase(page, bt_slot_of(page, item));
	item->leaf = NULL;
	tree->size--;
	for (; (parent = page->parent); page = parent) {
		uint32_t slot = bt_slot_of(parent, page);
		if (page->count < tree->minimum)
			bt_mend(tree, parent, slot);
		else if (bt_is_inside(parent, slot, item) || !bt_refresh(parent, slot))
			return;
	}
	bt_shrink(tree);
}

/* Put an item in a slot of a leaf, in place of one with the same bounds. */
static inline void
bt_replace(struct bt_page *leaf, uint32_t slot, struct bt_item *item)
{
	struct bt_page *page = leaf, *parent;
	void *old = leaf->slots[slot];
	leaf->slots[slot] = item;
	item->leaf = leaf;
	for (; (parent = page->parent); page = parent) {
		void **longest = &BT_BRANCH(parent)->longest[bt_slot_of(parent, page)];
		if (*longest != old)
			return;
		*longest = item;
	}
}

#endif
